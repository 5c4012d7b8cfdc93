// Products of a few rows with a matrix, in tiles whose sums stay in registers.
//
// Each number of a product is bias + Σ_k x_k w_k, added one k after another, by the same fused operation, whichever tile
// it falls into. So what a row yields never depends on how many rows there are, nor on where it stands among them.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace regard {

// A matrix as it lies in memory, or a part of one: row k begins at at[k · stride].
struct Matrix {
    const float* at;
    int stride;
};

// The columns of a matrix as rows, each filled up with zeros to `stride` numbers.
inline void turn_over(Matrix from, int rows, int columns, float* to, int stride) {
    for (int c = 0; c < columns; c++, to += stride) {
        for (int r = 0; r < rows; r++) to[r] = from.at[(size_t)r * from.stride + c];
        for (int r = rows; r < stride; r++) to[r] = 0.0f;
    }
}

// An entry of the left matrix, which may be turned over.
template <bool turned_over>
inline float entry(Matrix x, int row, int k) {
    return turned_over ? x.at[(size_t)k * x.stride + row] : x.at[(size_t)row * x.stride + k];
}

template <bool turned_over, int rows, int vectors>
void tile(Matrix x, Matrix w, int depth, const float* bias, float* y, int y_stride) {
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
            Lanes left = all(entry<turned_over>(x, r, k));
            REGARD_UNROLL
            for (int v = 0; v < vectors; v++) sums[r][v] += left * right[v];
        }
    }
    REGARD_UNROLL
    for (int r = 0; r < rows; r++)
        REGARD_UNROLL
        for (int v = 0; v < vectors; v++) store(y + (size_t)r * y_stride + v * lanes, sums[r][v]);
}

template <bool turned_over, int vectors>
void tiles(int rows, Matrix x, Matrix w, int depth, const float* bias, float* y, int y_stride) {
    static_assert(tile_rows == 6, "one case for each number of rows");
    int count = (rows + tile_rows - 1) / tile_rows;
    for (int t = 0; t < count; t++) {
        int first = (int)((long)rows * t / count), here = (int)((long)rows * (t + 1) / count) - first;
        Matrix from{x.at + (turned_over ? first : (size_t)first * x.stride), x.stride};
        float* to = y + (size_t)first * y_stride;
        switch (here) {
            case 1: tile<turned_over, 1, vectors>(from, w, depth, bias, to, y_stride); break;
            case 2: tile<turned_over, 2, vectors>(from, w, depth, bias, to, y_stride); break;
            case 3: tile<turned_over, 3, vectors>(from, w, depth, bias, to, y_stride); break;
            case 4: tile<turned_over, 4, vectors>(from, w, depth, bias, to, y_stride); break;
            case 5: tile<turned_over, 5, vectors>(from, w, depth, bias, to, y_stride); break;
            default: tile<turned_over, 6, vectors>(from, w, depth, bias, to, y_stride);
        }
    }
}

// y [rows, columns] = x [rows, depth] w [depth, columns] + bias, in at most `panel` vectors of columns.
template <bool turned_over = false>
void narrow_product(int vectors, int rows, Matrix x, Matrix w, int depth, const float* bias, float* y, int y_stride) {
    switch (vectors) {
        case 1: return tiles<turned_over, 1>(rows, x, w, depth, bias, y, y_stride);
        case 2: return tiles<turned_over, 2>(rows, x, w, depth, bias, y, y_stride);
        case 3: return tiles<turned_over, 3>(rows, x, w, depth, bias, y, y_stride);
        default: return tiles<turned_over, 4>(rows, x, w, depth, bias, y, y_stride);
    }
}

// The same without a bias for any number of columns that is a multiple of `lanes`; of xᵀ where x is turned over.
template <bool turned_over = false>
void product(int rows, Matrix x, Matrix w, int depth, int columns, float* y, int y_stride) {
    for (int c = 0; c < columns; c += panel * lanes) {
        int vectors = std::min(panel, (columns - c) / lanes);
        narrow_product<turned_over>(vectors, rows, x, {w.at + c, w.stride}, depth, nullptr, y + c, y_stride);
    }
}

}  // namespace regard
