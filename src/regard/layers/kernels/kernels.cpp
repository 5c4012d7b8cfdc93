// The steps of training that torch does in many passes over memory, each in one. Called by ctypes: library.py.

#include "attention.h"
#include "cross_entropy.h"
#include "norm.h"

using namespace regard;

#define EXPORT extern "C" __attribute__((visibility("default")))

#define FOR_EACH_NUMBER(DEFINE) DEFINE(float, float32) DEFINE(BFloat16, bfloat16)

#define ADD_DROPPED(Number, name)                                                                                     \
    EXPORT void add_dropped_##name(const Number* x, const Number* s, Number* y, long rows, int columns,               \
                                   Dropout dropout, int threads) {                                                    \
        add_dropped(x, s, y, rows, columns, dropout, threads);                                                        \
    }
FOR_EACH_NUMBER(ADD_DROPPED)

#define ADD_NORM(Number, name)                                                                                        \
    EXPORT void add_norm_##name(const Number* x, const Number* s, const Number* gain, const Number* shift, Number* h, \
                                Number* y, float* means, float* scales, NormShape shape, Dropout dropout,             \
                                int threads) {                                                                        \
        add_norm(x, s, gain, shift, h, y, means, scales, shape, dropout, threads);                                    \
    }                                                                                                                 \
    EXPORT void add_norm_back_##name(const Number* gradient, const Number* h, const float* means,                     \
                                     const float* scales, const Number* gain, Number* by_x, Number* by_s,             \
                                     float* by_gain, float* by_shift, NormShape shape, Dropout dropout,               \
                                     int threads) {                                                                   \
        add_norm_back(gradient, h, means, scales, gain, by_x, by_s, by_gain, by_shift, shape, dropout, threads);      \
    }
FOR_EACH_NUMBER(ADD_NORM)

#define CROSS_ENTROPY(Number, name)                                                                                   \
    EXPORT void cross_entropy_##name(Number* logits, const int64_t* answers, const float* bias, float* answered,      \
                                     float* means, long rows, int ids, Smoothing smoothing, int threads) {            \
        cross_entropy(logits, answers, bias, answered, means, rows, ids, smoothing, threads);                         \
    }
FOR_EACH_NUMBER(CROSS_ENTROPY)

#define ATTEND(Number, name)                                                                                          \
    EXPORT void attend_##name(Heads<const Number> query, Heads<const Number> key, Heads<const Number> value,          \
                              Sight sight, Heads<Number> out, AttentionShape shape, int threads) {                    \
        attend(query, key, value, sight, out, shape, threads);                                                        \
    }                                                                                                                 \
    EXPORT void attend_back_##name(Heads<const Number> query, Heads<const Number> key, Heads<const Number> value,     \
                                   Sight sight, Heads<const Number> outer, Heads<Number> by_query,                    \
                                   Heads<Number> by_key, Heads<Number> by_value, AttentionShape shape, int threads) { \
        attend_back(query, key, value, sight, outer, by_query, by_key, by_value, shape, threads);                     \
    }
FOR_EACH_NUMBER(ATTEND)
