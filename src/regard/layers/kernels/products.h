// Products of matrices that are small enough to stay in the first cache: those inside one head of one sentence.
#pragma once

#include "numbers.h"

namespace regard {

// An entry of the left matrix: its rows lie one after another, or (`turned`) its columns do.
template <bool turned_over>
inline float entry(const float* x, int stride, int row, int k) {
    return turned_over ? x[(size_t)k * stride + row] : x[(size_t)row * stride + k];
}

template <bool turned_over, int rows, int vectors>
inline void small_tile(const float* x, int x_stride, int first, const float* y, int y_stride, float* z, int z_stride,
                       int depth) {
    Lanes sums[rows][vectors] = {};
    for (int k = 0; k < depth; k++) {
        Lanes right[vectors];
        for (int v = 0; v < vectors; v++) right[v] = load(y + (size_t)k * y_stride + v * lanes);
        for (int r = 0; r < rows; r++) {
            float left = entry<turned_over>(x, x_stride, first + r, k);
            for (int v = 0; v < vectors; v++) sums[r][v] += right[v] * left;
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) store(z + (size_t)(first + r) * z_stride + v * lanes, sums[r][v]);
}

// Z = X Y, or Xᵀ Y where X is turned over. Y and Z have `columns` columns, a multiple of `lanes`.
template <bool turned_over>
inline void small_product(const float* x, int x_stride, const float* y, int y_stride, float* z, int z_stride, int rows,
                          int depth, int columns) {
    constexpr int tall = 6, wide = 2;
    for (int c = 0; c < columns; c += wide * lanes) {
        bool pair = columns - c >= wide * lanes;
        for (int r = 0; r < rows; r += tall) {
            auto run = [&](auto kernel) { kernel(x, x_stride, r, y + c, y_stride, z + c, z_stride, depth); };
            switch (std::min(tall, rows - r)) {
                case 1: pair ? run(small_tile<turned_over, 1, 2>) : run(small_tile<turned_over, 1, 1>); break;
                case 2: pair ? run(small_tile<turned_over, 2, 2>) : run(small_tile<turned_over, 2, 1>); break;
                case 3: pair ? run(small_tile<turned_over, 3, 2>) : run(small_tile<turned_over, 3, 1>); break;
                case 4: pair ? run(small_tile<turned_over, 4, 2>) : run(small_tile<turned_over, 4, 1>); break;
                case 5: pair ? run(small_tile<turned_over, 5, 2>) : run(small_tile<turned_over, 5, 1>); break;
                default: pair ? run(small_tile<turned_over, 6, 2>) : run(small_tile<turned_over, 6, 1>);
            }
        }
    }
}

}  // namespace regard
