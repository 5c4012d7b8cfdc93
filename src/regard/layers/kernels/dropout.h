// Dropout without a mask in memory: which numbers survive is a function of (key, row, column), drawn anew in each pass.
//
// Philox 4×32-10 (Salmon et al. 2011): ten rounds of multiplying turn a counter into 128 random bits, eight numbers of
// 16 bits each. Sixteen counters stand for 128 neighbouring columns, however many lanes the processor has.
#pragma once

#include "numbers.h"

namespace regard {

struct Dropout {
    uint64_t key;
    uint32_t threshold;  // of 65536: how many of the 16-bit numbers drop
    float factor;        // of those that survive
};

constexpr int drawn_at_once = 128, counters = 16;

// The 64 bits of each product of two words, the upper and the lower half apart.
struct Product {
    Words upper, lower;
};

typedef uint64_t Wide __attribute__((vector_size(4 * lanes)));

inline Wide even_products(Words x, uint32_t by) {  // of the words at even places
#if defined(__AVX512F__)
    return (Wide)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi32((int)by));
#else
    return ((Wide)x & 0xffffffff) * by;
#endif
}

inline Product times(Words x, uint32_t by) {
    Wide even = even_products(x, by), odd = even_products((Words)((Wide)x >> 32), by);
    constexpr uint64_t low = 0xffffffff;
    return {(Words)((even >> 32) | (odd & ~low)), (Words)((even & low) | (odd << 32))};
}

inline void philox(Words (&word)[4], uint64_t key) {
    uint32_t first = (uint32_t)key, second = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, first += 0x9E3779B9u, second += 0xBB67AE85u) {
        Product p = times(word[0], 0xD2511F53u), q = times(word[2], 0xCD9E8D57u);
        word[0] = q.upper ^ word[1] ^ first;
        word[2] = p.upper ^ word[3] ^ second;
        word[1] = q.lower, word[3] = p.lower;
    }
}

// `factor` or 0 for every column of a row; `to` has room for a multiple of 128.
inline void draw(const Dropout& dropout, long row, int columns, float* to) {
    for (int block = 0; block * drawn_at_once < columns; block++)
        for (int first = 0; first < counters; first += lanes) {
            Words word[4] = {Words{} + (uint32_t)first, Words{} + (uint32_t)block, Words{} + (uint32_t)row,
                             Words{} + (uint32_t)(row >> 32)};
            for (int i = 0; i < lanes; i++) word[0][i] += (uint32_t)i;
            philox(word, dropout.key);
            float* here = to + (size_t)block * drawn_at_once + first;
            for (int w = 0; w < 4; w++) {
                Words low = word[w] & 0xffff, high = word[w] >> 16;
                Lanes factor = all(dropout.factor);
                store(here + 2 * w * counters, as_float(((Whole)low >= (int32_t)dropout.threshold) & bits(factor)));
                store(here + (2 * w + 1) * counters, as_float(((Whole)high >= (int32_t)dropout.threshold) & bits(factor)));
            }
        }
}

inline int room_for(int columns) { return (columns + drawn_at_once - 1) / drawn_at_once * drawn_at_once; }

// y = x + dropout(s), row by row; without an x, y = dropout(s).
template <class Number>
void add_dropped(const Number* x, const Number* s, Number* y, long rows, int columns, const Dropout& dropout, int threads) {
#pragma omp parallel num_threads(threads)
    {
        Floats kept(room_for(columns));
#pragma omp for schedule(static)
        for (long r = 0; r < rows; r++) {
            draw(dropout, r, columns, kept.get());
            long at = r * columns;
            for (int c = 0; c < columns; c += lanes) {
                Lanes some = read_up_to(s + at + c, columns - c) * load(kept.get() + c);
                write_up_to(y + at + c, x ? read_up_to(x + at + c, columns - c) + some : some, columns - c);
            }
        }
    }
}

}  // namespace regard
