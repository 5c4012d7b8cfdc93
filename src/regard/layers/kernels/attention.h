// Attention, equation 1 of the paper, forwards and back, for sentences: each head of each sentence stays in the cache.
#pragma once

#include <algorithm>
#include <type_traits>

#include "numbers.h"
#include "softmax.h"
#include "tiles.h"

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

    const uint8_t* of(long sentence, long head, long query) const {
        return at + sentence * by_sentence + head * by_head + query * by_query;
    }
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

// One head of one sentence in float32, each row with zeros up to a whole register: where it lies if that will do, else a copy.
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

// Scores of keys that a query may not look at become −∞.
inline void hide(float* scores, int keys, const uint8_t* sight, long by_key) {
    for (int s = 0; s < keys; s++) scores[s] = sight[s * by_key] ? scores[s] : -infinity;
}

// What one head of one sentence needs, in one thread's cache.
template <class Number>
struct Desk {
    explicit Desk(const AttentionShape& shape) {
        int queries = shape.queries, keys = shape.keys, width = std::max(padded(shape.width), padded(shape.value_width));
        query.need((size_t)queries * width), key.need((size_t)keys * width), value.need((size_t)keys * width);
        turned.need((size_t)width * padded(keys));
        weights.need((size_t)queries * padded(keys)), scores.need((size_t)queries * padded(keys));
        found.need((size_t)std::max(queries, keys) * width), outer.need((size_t)queries * width);
    }

    // Lays out that head's queries, keys and values, and weighs the keys: weights = softmax(scale · Q Kᵀ).
    void weigh(Heads<const Number> queries, Heads<const Number> keys, Heads<const Number> values, const Sight& sight,
               const AttentionShape& shape, long item) {
        b = item / shape.heads, h = item % shape.heads;
        long g = h / (shape.heads / shape.groups);
        q = at_hand(queries, b, h, shape.queries, shape.width, query);
        k = at_hand(keys, b, g, shape.keys, shape.width, key);
        v = at_hand(values, b, g, shape.keys, shape.value_width, value);
        int stride = padded(shape.keys);
        turn_over(k, shape.keys, shape.width, turned.get(), stride);
        product(shape.queries, q, {turned.get(), stride}, shape.width, stride, weights.get(), stride);
        for (int t = 0; t < shape.queries; t++) {
            float* row = weights.get() + (size_t)t * stride;
            if (sight.at) hide(row, shape.keys, sight.of(b, h, t), sight.by_key);
            softmax(row, shape.keys, shape.scale);
        }
    }

    long b, h;
    Matrix q, k, v;
    Floats query, key, value, turned, weights, scores, found, outer;
};

// out = softmax(scale · Q Kᵀ) V.
template <class Number>
void attend(Heads<const Number> query, Heads<const Number> key, Heads<const Number> value, Sight sight, Heads<Number> out,
            const AttentionShape& shape, int threads) {
    int keys = padded(shape.keys), value_width = padded(shape.value_width);
#pragma omp parallel num_threads(threads)
    {
        Desk<Number> desk(shape);
#pragma omp for schedule(static)
        for (long item = 0; item < shape.sentences * shape.heads; item++) {
            desk.weigh(query, key, value, sight, shape, item);
            product(shape.queries, {desk.weights.get(), keys}, desk.v, shape.keys, value_width, desk.found.get(), value_width);
            scatter(desk.found.get(), out, desk.b, desk.h, shape.queries, shape.value_width, 1.0f);
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

// The gradients with respect to Q, K and V. The weights are computed anew: they take longer to keep than to make. Those of K and V are per query head [B, H, S, …]: who shares heads sums them.
template <class Number>
void attend_back(Heads<const Number> query, Heads<const Number> key, Heads<const Number> value, Sight sight,
                 Heads<const Number> outer, Heads<Number> by_query, Heads<Number> by_key, Heads<Number> by_value,
                 const AttentionShape& shape, int threads) {
    int keys = padded(shape.keys), width = padded(shape.width), value_width = padded(shape.value_width);
#pragma omp parallel num_threads(threads)
    {
        Desk<Number> desk(shape);
#pragma omp for schedule(static)
        for (long item = 0; item < shape.sentences * shape.heads; item++) {
            desk.weigh(query, key, value, sight, shape, item);
            Matrix o = at_hand(outer, desk.b, desk.h, shape.queries, shape.value_width, desk.outer);
            Matrix weighed{desk.weights.get(), keys}, scored{desk.scores.get(), keys};
            float *scores = desk.scores.get(), *found = desk.found.get();
            turn_over(desk.v, shape.keys, shape.value_width, desk.turned.get(), keys);
            product(shape.queries, o, {desk.turned.get(), keys}, shape.value_width, keys, scores, keys);
            softmax_back(desk.weights.get(), scores, shape.queries, keys);
            product<true>(shape.keys, weighed, o, shape.queries, value_width, found, value_width);
            scatter(found, by_value, desk.b, desk.h, shape.keys, shape.value_width, 1.0f);
            product(shape.queries, scored, desk.k, shape.keys, width, found, width);
            scatter(found, by_query, desk.b, desk.h, shape.queries, shape.width, shape.scale);
            product<true>(shape.keys, scored, desk.q, shape.queries, width, found, width);
            scatter(found, by_key, desk.b, desk.h, shape.keys, shape.width, shape.scale);
        }
    }
}

}  // namespace regard
