// The numbers of a tensor, float32 or bfloat16, as vectors of float32: whatever is read is reckoned with in float32.
#pragma once

#include <cstring>

#include "vectors.h"

namespace regard {

struct BFloat16 {
    uint16_t bits;
};

typedef uint16_t Halves __attribute__((vector_size(2 * lanes)));
typedef uint32_t Words __attribute__((vector_size(4 * lanes)));

inline Lanes read(const float* from) { return load(from); }
inline Lanes read(const BFloat16* from) {
    Halves upper;
    std::memcpy(&upper, from, sizeof upper);
    return (Lanes)(__builtin_convertvector(upper, Words) << 16);
}

inline void write(float* to, Lanes x) { store(to, x); }
inline void write(BFloat16* to, Lanes x) {  // to the nearest, an even one where two are as near
    Words all_bits = (Words)x;
    Halves upper = __builtin_convertvector((all_bits + 0x7fff + ((all_bits >> 16) & 1)) >> 16, Halves);
    std::memcpy(to, &upper, sizeof upper);
}

// The first `count` numbers of a vector; the other lanes are zero, or are not written.
template <class Number>
inline Lanes read_some(const Number* from, int count) {
    Number whole[lanes] = {};
    std::memcpy(whole, from, count * sizeof(Number));
    return read(whole);
}
template <class Number>
inline void write_some(Number* to, Lanes x, int count) {
    Number whole[lanes];
    write(whole, x);
    std::memcpy(to, whole, count * sizeof(Number));
}

template <class Number>
inline Lanes read_up_to(const Number* from, long left) {
    return left >= lanes ? read(from) : read_some(from, (int)left);
}
template <class Number>
inline void write_up_to(Number* to, Lanes x, long left) {
    if (left >= lanes) write(to, x);
    else write_some(to, x, (int)left);
}

}  // namespace regard
