// Vectors of as many float32 numbers as a register holds, by the compilers' own vector types: any processor will do.
//
// Every sum below is taken in an order that its length alone decides. Nothing here may be compiled with -ffast-math.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

// Sums in an array stay in registers only where the loops over them are unrolled.
#if defined(__clang__)
#define REGARD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define REGARD_UNROLL _Pragma("GCC unroll 8")
#endif

namespace regard {

// A tile of a product has `tile_rows` rows and `panel` vectors of columns, so that its sums fit into the registers.
#if defined(__AVX512F__)
constexpr int lanes = 16, panel = 4, tile_rows = 6;
#elif defined(__AVX__)
constexpr int lanes = 8, panel = 2, tile_rows = 6;
#elif defined(__aarch64__)
constexpr int lanes = 4, panel = 4, tile_rows = 6;
#else
constexpr int lanes = 4, panel = 2, tile_rows = 6;
#endif
constexpr int unit = 16;  // every width is a multiple of this, and this is a multiple of `lanes`

typedef float Lanes __attribute__((vector_size(4 * lanes)));
typedef int32_t Whole __attribute__((vector_size(4 * lanes)));
typedef float Anywhere __attribute__((vector_size(4 * lanes), aligned(4), may_alias));

constexpr float infinity = std::numeric_limits<float>::infinity();

inline int padded(int width) { return (width + unit - 1) / unit * unit; }
inline Lanes load(const float* from) { return *reinterpret_cast<const Anywhere*>(from); }
inline void store(float* to, Lanes x) { *reinterpret_cast<Anywhere*>(to) = x; }
inline Lanes all(float x) { return x - Lanes{}; }
inline Whole bits(Lanes x) { return (Whole)x; }
inline Lanes as_float(Whole x) { return (Lanes)x; }
inline Lanes smaller(Lanes x, Lanes y) { return x < y ? x : y; }
#if defined(__AVX512F__)
inline Lanes larger(Lanes x, Lanes y) { return (Lanes)_mm512_max_ps((__m512)x, (__m512)y); }
inline bool any_above(Lanes x, Lanes y) { return _mm512_cmp_ps_mask((__m512)x, (__m512)y, _CMP_GT_OQ) != 0; }
#else
inline Lanes larger(Lanes x, Lanes y) { return x > y ? x : y; }
inline bool any_above(Lanes x, Lanes y) {
    Whole above = x > y;
    int32_t found = 0;
    for (int i = 0; i < lanes; i++) found |= above[i];
    return found != 0;
}
#endif

template <int distance>
inline Lanes turned(Lanes x) {  // lane i gets what lane i + distance held
#if defined(__clang__)
    Lanes found;
    for (int i = 0; i < lanes; i++) found[i] = x[(i + distance) % lanes];
    return found;
#else
    Whole places;
    for (int i = 0; i < lanes; i++) places[i] = (i + distance) % lanes;
    return __builtin_shuffle(x, places);
#endif
}

inline float sum(Lanes x) {
    if (lanes >= 16) x += turned<8 % lanes>(x);
    if (lanes >= 8) x += turned<4 % lanes>(x);
    x += turned<2>(x);
    x += turned<1>(x);
    return x[0];
}

inline float largest(Lanes x) {
    if (lanes >= 16) x = larger(x, turned<8 % lanes>(x));
    if (lanes >= 8) x = larger(x, turned<4 % lanes>(x));
    x = larger(x, turned<2>(x));
    x = larger(x, turned<1>(x));
    return x[0];
}

// e^x = 2^n · e^r with n = round(x / ln 2): a polynomial of degree 6 in |r| ≤ ln 2 / 2, good to 2 units in the last
// place. 0 below −87.3, where float32 runs out of exponents; not for x above 88.
inline Lanes exponential(Lanes x) {
    constexpr float shift = 12582912.0f;  // 1.5 · 2^23: adding it leaves a whole number in the lowest bits
    Lanes shifted = x * 1.44269504f + shift;
    Lanes n = shifted - shift;
    Lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    Lanes scaled = as_float(bits(p) + (bits(shifted) << 23));
    return as_float((x > all(-87.3f)) & bits(scaled));
}

// Memory for numbers that starts at a whole register. What is in it is lost when it has to grow.
template <class Number>
class Block {
  public:
    Block() = default;
    explicit Block(size_t count) { need(count); }
    Block(Block&& other) noexcept : at_(other.at_), count_(other.count_) { other.at_ = nullptr, other.count_ = 0; }
    Block& operator=(Block&& other) noexcept {
        std::swap(at_, other.at_), std::swap(count_, other.count_);
        return *this;
    }
    ~Block() { release(); }

    Number* need(size_t count) {
        if (count > count_) {
            release();
            count = (count + unit) * 5 / 4;
            at_ = static_cast<Number*>(::operator new(count * sizeof(Number), std::align_val_t(64)));
            count_ = count;
        }
        return at_;
    }
    Number* get() const { return at_; }

  private:
    void release() {
        if (at_) ::operator delete(at_, std::align_val_t(64));
        at_ = nullptr, count_ = 0;
    }
    Number* at_ = nullptr;
    size_t count_ = 0;
};

using Floats = Block<float>;

}  // namespace regard
