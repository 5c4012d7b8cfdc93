// Attention, equation 1 of the paper, forwards and back, for sentences: each head of each sentence stays in the cache.
#pragma once

#include <algorithm>
#include <type_traits>

#include "products.h"

namespace regard {

// [B, heads, length, width] with any strides but the last, which is 1.
template <class Number>
struct Heads {
    Number* at;
    long by_sentence, by_head, by_position;

    Number* of(long sentence, long head, long position) const {
        return at + sentence * by_sentence + head * by_head + position * by_position;
    }
};

// [B, H, T, S] bytes, 1 = may look, any strides (0 where it is the same for all).
struct Sight {
    const uint8_t* at;
    long by_sentence, by_head, by_query, by_key;
};

struct AttentionShape {
    long sentences, heads, groups;  // `groups` key/value heads serve all `heads`
    int queries, keys, width, value_width;
    float scale;
};

template <class Number>
inline void gather(const Heads<Number>& from, long sentence, long head, int length, int width, float* to) {
    for (int t = 0; t < length; t++)
        for (int k = 0; k < padded(width); k += lanes)
            store(to + (size_t)t * padded(width) + k,
                  k < width ? read_up_to(from.of(sentence, head, t) + k, width - k) : Lanes{});
}

// A matrix of float32 rows, each with zeros up to a whole register.
struct Matrix {
    const float* at;
    int stride;
};

// One head of one sentence: where it lies if that will do, else a copy.
template <class Number>
inline Matrix at_hand(const Heads<Number>& from, long sentence, long head, int length, int width, Floats& room) {
    if constexpr (std::is_same_v<Number, const float>)
        if (width % unit == 0) return {from.of(sentence, head, 0), (int)from.by_position};
    gather(from, sentence, head, length, width, room.get());
    return {room.get(), padded(width)};
}

template <class Number>
inline void scatter(const float* from, const Heads<Number>& to, long sentence, long head, int length, int width, float factor) {
    for (int t = 0; t < length; t++)
        for (int k = 0; k < width; k += lanes)
            write_up_to(to.of(sentence, head, t) + k, load(from + (size_t)t * padded(width) + k) * factor, width - k);
}

inline void turn_over(Matrix from, int length, int width, float* to) {
    for (int k = 0; k < width; k++, to += padded(length)) {
        for (int t = 0; t < length; t++) to[t] = from.at[(size_t)t * from.stride + k];
        for (int t = length; t < padded(length); t++) to[t] = 0.0f;
    }
}

// Scores → weights, in place: exactly 0 where a query may not look, and everywhere where it may look nowhere.
inline void softmax_row(float* scores, int keys, float scale, const uint8_t* sight, long by_key) {
    if (sight)
        for (int s = 0; s < keys; s++) scores[s] = sight[s * by_key] ? scores[s] : -infinity;
    for (int s = keys; s < padded(keys); s++) scores[s] = -infinity;
    Lanes most = all(-infinity);
    for (int s = 0; s < padded(keys); s += lanes) most = larger(most, load(scores + s));
    float top = largest(most);
    if (top == -infinity) return std::fill_n(scores, padded(keys), 0.0f), void();
    Lanes total{};
    for (int s = 0; s < padded(keys); s += lanes) {
        Lanes power = exponential((load(scores + s) - top) * scale);
        store(scores + s, power);
        total += power;
    }
    float share = 1.0f / sum(total);
    for (int s = 0; s < padded(keys); s += lanes) store(scores + s, load(scores + s) * share);
}

// What one head of one sentence needs, in one thread's cache.
struct Desk {
    explicit Desk(const AttentionShape& shape) {
        int queries = shape.queries, keys = shape.keys, width = std::max(padded(shape.width), padded(shape.value_width));
        query.need((size_t)queries * width), key.need((size_t)keys * width), value.need((size_t)keys * width);
        turned.need((size_t)width * padded(keys)), scores.need((size_t)queries * padded(keys));
        found.need((size_t)std::max(queries, keys) * width), outer.need((size_t)queries * width);
    }
    Floats query, key, value, turned, scores, found, outer;
};

// out = softmax(scale · Q Kᵀ) V; keeps the weights [B, H, T, padded(S)].
template <class Number>
void attend(Heads<const Number> query, Heads<const Number> key, Heads<const Number> value, Sight sight, Heads<Number> out,
            float* weights, const AttentionShape& shape, int threads) {
    int keys = padded(shape.keys), width = padded(shape.width), value_width = padded(shape.value_width);
#pragma omp parallel num_threads(threads)
    {
        Desk desk(shape);
#pragma omp for schedule(static)
        for (long item = 0; item < shape.sentences * shape.heads; item++) {
            long b = item / shape.heads, h = item % shape.heads, g = h / (shape.heads / shape.groups);
            float* mine = weights + (size_t)item * shape.queries * keys;
            Matrix q = at_hand(query, b, h, shape.queries, shape.width, desk.query);
            Matrix k = at_hand(key, b, g, shape.keys, shape.width, desk.key);
            Matrix v = at_hand(value, b, g, shape.keys, shape.value_width, desk.value);
            turn_over(k, shape.keys, shape.width, desk.turned.get());
            small_product<false>(q.at, q.stride, desk.turned.get(), keys, mine, keys, shape.queries, shape.width, keys);
            for (int t = 0; t < shape.queries; t++) {
                const uint8_t* row = sight.at ? sight.at + b * sight.by_sentence + h * sight.by_head + t * sight.by_query : nullptr;
                softmax_row(mine + (size_t)t * keys, shape.keys, shape.scale, row, sight.by_key);
            }
            small_product<false>(mine, keys, v.at, v.stride, desk.found.get(), value_width, shape.queries, shape.keys,
                                 value_width);
            scatter(desk.found.get(), out, b, h, shape.queries, shape.value_width, 1.0f);
        }
    }
}

// P ⊙ (dP − Σ_s P dP), row by row, in place of dP.
inline void softmax_back(const float* weights, float* gradient, int queries, int keys) {
    for (int t = 0; t < queries; t++, weights += keys, gradient += keys) {
        Lanes total{};
        for (int s = 0; s < keys; s += lanes) total += load(weights + s) * load(gradient + s);
        float mean = sum(total);
        for (int s = 0; s < keys; s += lanes) store(gradient + s, load(weights + s) * (load(gradient + s) - mean));
    }
}

// The gradients with respect to Q, K and V. Those of K and V are per query head [B, H, S, …]: who shares heads sums them.
template <class Number>
void attend_back(Heads<const Number> query, Heads<const Number> key, Heads<const Number> value, Heads<const Number> outer,
                 const float* weights, Heads<Number> by_query, Heads<Number> by_key, Heads<Number> by_value,
                 const AttentionShape& shape, int threads) {
    int keys = padded(shape.keys), width = padded(shape.width), value_width = padded(shape.value_width);
#pragma omp parallel num_threads(threads)
    {
        Desk desk(shape);
#pragma omp for schedule(static)
        for (long item = 0; item < shape.sentences * shape.heads; item++) {
            long b = item / shape.heads, h = item % shape.heads, g = h / (shape.heads / shape.groups);
            const float* mine = weights + (size_t)item * shape.queries * keys;
            Matrix q = at_hand(query, b, h, shape.queries, shape.width, desk.query);
            Matrix k = at_hand(key, b, g, shape.keys, shape.width, desk.key);
            Matrix v = at_hand(value, b, g, shape.keys, shape.value_width, desk.value);
            Matrix o = at_hand(outer, b, h, shape.queries, shape.value_width, desk.outer);
            float *scores = desk.scores.get(), *found = desk.found.get();
            turn_over(v, shape.keys, shape.value_width, desk.turned.get());
            small_product<false>(o.at, o.stride, desk.turned.get(), keys, scores, keys, shape.queries, shape.value_width,
                                 keys);
            softmax_back(mine, scores, shape.queries, keys);
            small_product<true>(mine, keys, o.at, o.stride, found, value_width, shape.keys, shape.queries, value_width);
            scatter(found, by_value, b, h, shape.keys, shape.value_width, 1.0f);
            small_product<false>(scores, keys, k.at, k.stride, found, width, shape.queries, shape.keys, width);
            scatter(found, by_query, b, h, shape.queries, shape.width, shape.scale);
            small_product<true>(scores, keys, q.at, q.stride, found, width, shape.keys, shape.queries, width);
            scatter(found, by_key, b, h, shape.keys, shape.width, shape.scale);
        }
    }
}

}  // namespace regard
