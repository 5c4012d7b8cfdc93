// Softmax of a row that is filled up to a whole register.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace regard {

inline float largest_of(const float* z, int width) {
    Lanes most = all(-infinity);
    for (int i = 0; i < width; i += lanes) most = larger(most, load(z + i));
    return largest(most);
}

// e^(scale · (z − top)) in place of z; returns their sum.
inline float raise(float* z, int width, float top, float scale = 1.0f) {
    Lanes total{};
    for (int i = 0; i < width; i += lanes) {
        Lanes power = exponential((load(z + i) - top) * scale);
        store(z + i, power);
        total += power;
    }
    return sum(total);
}

// softmax(scale · z) over the first `count` numbers, in place; those behind them, up to a whole unit, become zero.
// A row that is −∞ everywhere becomes zero everywhere.
inline void softmax(float* z, int count, float scale = 1.0f) {
    int width = padded(count);
    std::fill(z + count, z + width, -infinity);
    float top = largest_of(z, width);
    if (top == -infinity) return std::fill_n(z, width, 0.0f), void();
    float share = 1.0f / raise(z, width, top, scale);
    for (int i = 0; i < width; i += lanes) store(z + i, load(z + i) * share);
}

}  // namespace regard
