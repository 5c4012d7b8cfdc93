// Products of a few rows with a large matrix.
//
// Each number of a product is bias + Σ_k x_k w_k, added one k after another, by the same fused operation, whichever tile
// it falls into. So what a row yields never depends on how many rows there are, nor on where it stands among them.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "vectors.h"

namespace regard {

// A matrix as it lies in memory, or a part of one: row k begins at at[k · stride].
struct Matrix {
    const float* at;
    int stride;
};

template <int rows, int vectors>
void tile(const float* x, int x_stride, Matrix w, int depth, const float* bias, float* y, int y_stride) {
    Lanes sums[rows][vectors];
    REGARD_UNROLL
    for (int v = 0; v < vectors; v++) {
        Lanes first = bias ? load(bias + v * lanes) : Lanes{};
        REGARD_UNROLL
        for (int r = 0; r < rows; r++) sums[r][v] = first;
    }
    for (int k = 0; k < depth; k++) {
        Lanes right[vectors];
        REGARD_UNROLL
        for (int v = 0; v < vectors; v++) right[v] = load(w.at + (size_t)k * w.stride + v * lanes);
        REGARD_UNROLL
        for (int r = 0; r < rows; r++) {
            Lanes left = all(x[(size_t)r * x_stride + k]);
            REGARD_UNROLL
            for (int v = 0; v < vectors; v++) sums[r][v] += left * right[v];
        }
    }
    REGARD_UNROLL
    for (int r = 0; r < rows; r++)
        REGARD_UNROLL
        for (int v = 0; v < vectors; v++) store(y + (size_t)r * y_stride + v * lanes, sums[r][v]);
}

template <int vectors>
void tiles(int rows, const float* x, int x_stride, Matrix w, int depth, const float* bias, float* y, int y_stride) {
    static_assert(tile_rows == 6, "one case for each number of rows");
    int count = (rows + tile_rows - 1) / tile_rows;
    for (int t = 0; t < count; t++) {
        int first = (int)((long)rows * t / count), here = (int)((long)rows * (t + 1) / count) - first;
        const float* from = x + (size_t)first * x_stride;
        float* to = y + (size_t)first * y_stride;
        switch (here) {
            case 1: tile<1, vectors>(from, x_stride, w, depth, bias, to, y_stride); break;
            case 2: tile<2, vectors>(from, x_stride, w, depth, bias, to, y_stride); break;
            case 3: tile<3, vectors>(from, x_stride, w, depth, bias, to, y_stride); break;
            case 4: tile<4, vectors>(from, x_stride, w, depth, bias, to, y_stride); break;
            case 5: tile<5, vectors>(from, x_stride, w, depth, bias, to, y_stride); break;
            default: tile<6, vectors>(from, x_stride, w, depth, bias, to, y_stride);
        }
    }
}

// y [rows, columns] = x [rows, depth] w [depth, columns] + bias, in at most `panel` vectors of columns.
inline void narrow_product(int vectors, int rows, const float* x, int x_stride, Matrix w, int depth, const float* bias,
                           float* y, int y_stride) {
    switch (vectors) {
        case 1: return tiles<1>(rows, x, x_stride, w, depth, bias, y, y_stride);
        case 2: return tiles<2>(rows, x, x_stride, w, depth, bias, y, y_stride);
        case 3: return tiles<3>(rows, x, x_stride, w, depth, bias, y, y_stride);
        default: return tiles<4>(rows, x, x_stride, w, depth, bias, y, y_stride);
    }
}

// The same for any number of columns that is a multiple of `lanes`.
inline void product(int rows, const float* x, int x_stride, Matrix w, int depth, int columns, float* y, int y_stride) {
    for (int c = 0; c < columns; c += panel * lanes) {
        int vectors = std::min(panel, (columns - c) / lanes);
        narrow_product(vectors, rows, x, x_stride, {w.at + c, w.stride}, depth, nullptr, y + c, y_stride);
    }
}

// A linear map as torch has it: weight [outputs, inputs], and a bias or none.
struct LinearView {
    const float* weight;
    const float* bias;
    int32_t inputs, outputs;
};

// Weights in panels of columns that a tile reads from its first byte to its last. Panel p holds columns [start(p), …).
class Packed {
  public:
    Packed() = default;
    explicit Packed(const LinearView& given) : depth(given.inputs), columns(given.outputs) {
        weights_.need((size_t)depth * columns);
        bias_.need(columns);
        for (int c = 0; c < columns; c++) bias_.get()[c] = given.bias ? given.bias[c] : 0.0f;
        for (int p = 0; p < panels(); p++) {
            float* to = weights_.get() + (size_t)start(p) * depth;
            int width = vectors(p) * lanes;
            for (int c = 0; c < width; c++)
                for (int k = 0; k < depth; k++)
                    to[(size_t)k * width + c] = given.weight[(size_t)(start(p) + c) * depth + k];
        }
    }

    int panels() const { return (columns / lanes + panel - 1) / panel; }
    int start(int p) const { return p * panel * lanes; }
    int vectors(int p) const { return std::min(panel, columns / lanes - p * panel); }

    // Of panel p alone; y begins at its first column.
    void times(int p, const float* x, int rows, float* y, int y_stride) const {
        Matrix w{weights_.get() + (size_t)start(p) * depth, vectors(p) * lanes};
        narrow_product(vectors(p), rows, x, depth, w, depth, bias_.get() + start(p), y, y_stride);
    }

    int depth = 0, columns = 0;

  private:
    Floats weights_, bias_;
};

}  // namespace regard
