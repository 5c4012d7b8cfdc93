// Products in whole numbers of 8 bits, where the processor adds four of them at once (AVX-512 VNNI).
//
// w ≈ b · t with b in −127 … 127 and one t a column; x ≈ a · s with a in −127 … 127 and one s a row, which its largest
// number decides. The instruction wants a ≥ 0: it is given a + 128, and 128 · Σ_k b is taken away afterwards. Sums of
// whole numbers are exact, so a row yields the same in any company here too.
#pragma once

#include "products.h"

#if defined(__AVX512F__) && defined(__AVX512VNNI__)
#define REGARD_BYTES 1
#else
#define REGARD_BYTES 0
#endif

namespace regard {

constexpr bool has_bytes = REGARD_BYTES;
constexpr float most_byte = 127.0f;

// Rows as bytes, offset by 128, with the s of each.
struct Bytes {
    Block<uint8_t> at;
    Floats scales;
};

inline void to_bytes(const float* x, int rows, int depth, Bytes& found) {
    typedef uint8_t Narrow __attribute__((vector_size(lanes), aligned(1), may_alias));
    uint8_t* to = found.at.need((size_t)rows * depth);
    float* scales = found.scales.need(rows);
    for (int r = 0; r < rows; r++, x += depth, to += depth) {
        Lanes most{};
        for (int k = 0; k < depth; k += lanes) most = larger(most, as_float(bits(load(x + k)) & 0x7fffffff));
        float top = largest(most);
        float factor = top > 0 ? most_byte / top : 0.0f;
        scales[r] = top / most_byte;
        for (int k = 0; k < depth; k += lanes) {
            Whole rounded = bits(load(x + k) * factor + 12582912.0f) - (0x4B400000 - 128);
            *reinterpret_cast<Narrow*>(to + k) = __builtin_convertvector(rounded, Narrow);
        }
    }
}

#if REGARD_BYTES

// Each sum += the products of four neighbours. As an instruction, because with the compiler's own function for it gcc 12
// keeps the sums in memory, and it takes four times as long.
inline void add_fours(__m512i& sums, __m512i left, __m512i right) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(left), "v"(right));
}

template <int rows, int vectors>
void byte_tile(const uint8_t* x, const float* row_scales, const int8_t* w, int depth, const int32_t* offsets,
               const float* column_scales, const float* bias, float* y, int y_stride) {
    __m512i sums[rows][vectors];
    REGARD_UNROLL
    for (int r = 0; r < rows; r++)
        REGARD_UNROLL
        for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_loadu_si512(offsets + v * lanes);
    for (int k = 0; k < depth; k += 4) {
        __m512i right[vectors];
        REGARD_UNROLL
        for (int v = 0; v < vectors; v++) right[v] = _mm512_loadu_si512(w + (size_t)k * vectors * lanes + v * 64);
        REGARD_UNROLL
        for (int r = 0; r < rows; r++) {
            int32_t four;
            std::memcpy(&four, x + (size_t)r * depth + k, 4);
            __m512i left = _mm512_set1_epi32(four);
            REGARD_UNROLL
            for (int v = 0; v < vectors; v++) add_fours(sums[r][v], left, right[v]);
        }
    }
    REGARD_UNROLL
    for (int r = 0; r < rows; r++)
        REGARD_UNROLL
        for (int v = 0; v < vectors; v++) {
            Lanes scale = load(column_scales + v * lanes) * row_scales[r];
            Lanes whole = (Lanes)_mm512_cvtepi32_ps(sums[r][v]);
            store(y + (size_t)r * y_stride + v * lanes, whole * scale + load(bias + v * lanes));
        }
}

template <int vectors>
void byte_tiles(int rows, const uint8_t* x, const float* row_scales, const int8_t* w, int depth, const int32_t* offsets,
                const float* column_scales, const float* bias, float* y, int y_stride) {
    int count = (rows + tile_rows - 1) / tile_rows;
    for (int t = 0; t < count; t++) {
        int first = (int)((long)rows * t / count), here = (int)((long)rows * (t + 1) / count) - first;
        const uint8_t* from = x + (size_t)first * depth;
        const float* scales = row_scales + first;
        float* to = y + (size_t)first * y_stride;
        auto run = [&](auto kernel) { kernel(from, scales, w, depth, offsets, column_scales, bias, to, y_stride); };
        switch (here) {
            case 1: run(byte_tile<1, vectors>); break;
            case 2: run(byte_tile<2, vectors>); break;
            case 3: run(byte_tile<3, vectors>); break;
            case 4: run(byte_tile<4, vectors>); break;
            case 5: run(byte_tile<5, vectors>); break;
            default: run(byte_tile<6, vectors>);
        }
    }
}

#endif

// As Packed, in bytes: four rows of a panel lie together, column after column.
class PackedBytes {
  public:
    PackedBytes() = default;
    explicit PackedBytes(const LinearView& given) : depth(given.inputs), columns(given.outputs) {
        weights_.need((size_t)depth * columns);
        offsets_.need(columns), scales_.need(columns), bias_.need(columns);
        for (int c = 0; c < columns; c++) put(given, c);
    }

    void times(int p, const Bytes& x, int first, int rows, float* y, int y_stride) const {
#if REGARD_BYTES
        int c = p * panel * lanes, vectors = std::min(panel, columns / lanes - p * panel);
        auto run = [&](auto kernel) {
            kernel(rows, x.at.get() + (size_t)first * depth, x.scales.get() + first, weights_.get() + (size_t)c * depth,
                   depth, offsets_.get() + c, scales_.get() + c, bias_.get() + c, y, y_stride);
        };
        switch (vectors) {
            case 1: return run(byte_tiles<1>);
            case 2: return run(byte_tiles<2>);
            case 3: return run(byte_tiles<3>);
            default: return run(byte_tiles<4>);
        }
#endif
    }

    int depth = 0, columns = 0;

  private:
    void put(const LinearView& given, int c) {
        const float* column = given.weight + (size_t)c * depth;
        float top = 0;
        for (int k = 0; k < depth; k++) top = std::max(top, std::fabs(column[k]));
        float factor = top > 0 ? most_byte / top : 0.0f;
        int p = c / (panel * lanes), width = std::min(panel * lanes, columns - p * panel * lanes);
        int8_t* to = weights_.get() + (size_t)p * panel * lanes * depth + 4 * (c % (panel * lanes));
        int32_t total = 0;
        for (int k = 0; k < depth; k++) {
            int8_t byte = (int8_t)std::nearbyint(column[k] * factor);
            to[(size_t)(k / 4) * 4 * width + k % 4] = byte;
            total += byte;
        }
        offsets_.get()[c] = -128 * total;
        scales_.get()[c] = top / most_byte;
        bias_.get()[c] = given.bias ? given.bias[c] : 0.0f;
    }

    Block<int8_t> weights_;
    Block<int32_t> offsets_;
    Floats scales_, bias_;
};

}  // namespace regard
