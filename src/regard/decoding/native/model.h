// A Transformer that reads whole sentences and writes one token of each hypothesis at a time.
//
// There is no padding: the rows of all sentences stand below one another, and attention keeps to its own sentence.
#pragma once

#include "layers.h"

namespace regard {

// What there is to add to a token's vector, or to turn heads by, a row for each place. Null where there is no such thing.
struct Tables {
    const float *encoder, *decoder;    // [places, width]
    const float *cosines, *sines;      // [places, turned / 2]
};

struct Attention {
    Attention(const AttentionView& given, bool bytes)
        : projections(given.projections, bytes), remembered(given.remembered, bytes), output(given.output, bytes),
          heads(given.heads), groups(given.groups), key_width(given.key_width), value_width(given.value_width),
          turned(given.turned) {}

    int queries() const { return heads * key_width; }
    int keys() const { return groups * key_width; }
    int values() const { return groups * value_width; }
    int line() const { return keys() + values(); }
    int group_of(int head) const { return head / (heads / groups); }

    Linear projections, remembered, output;
    int heads, groups, key_width, value_width, turned;
};

struct Layer {
    Layer(const BlockView& given, int width, bool bytes)
        : self(given.self, bytes), cross(given.cross, bytes), inner(given.feed_forward.inner, bytes),
          outer(given.feed_forward.outer, bytes), self_norm(given.self_norm, width),
          cross_norm(given.cross_norm, width), feed_forward_norm(given.feed_forward_norm, width),
          activation(given.feed_forward.activation), gated(given.feed_forward.gated), norm_first(given.norm_first) {}

    Attention self, cross;
    Linear inner, outer;
    Norm self_norm, cross_norm, feed_forward_norm;
    int activation;
    bool gated, norm_first;
};

struct Stack {
    Stack(const StackView& given, int width, bool bytes)
        : tokens(given.tokens), scale(given.scale), embedding_norm(given.embedding_norm, width),
          final_norm(given.final_norm, width) {
        layers.reserve(given.count);
        for (int i = 0; i < given.count; i++) layers.emplace_back(given.blocks[i], width, bytes);
    }

    const float* tokens;
    float scale;
    Norm embedding_norm, final_norm;
    std::vector<Layer> layers;
};

struct Model {
    explicit Model(const ModelView& given)
        : encoder(given.encoder, given.width, given.bytes), decoder(given.decoder, given.width, given.bytes),
          output(given.output, given.bytes), width(given.width), vocabulary(given.vocabulary), start(given.start) {}

    Stack encoder, decoder;
    Linear output;
    int width, vocabulary, start;
};

// The rows that are being worked on, and room for what becomes of them.
struct Workspace {
    Floats x, normed, changed, projected, gathered, scores, inner, turned_keys, logits;
    Bytes bytes;
};

// x [rows] = norm(tokens · scale + position).
inline void embed(const Stack& stack, int width, const int32_t* ids, const int32_t* places, const float* positions,
                  int rows, float* x) {
    for (int r = 0; r < rows; r++, x += width) {
        const float* token = stack.tokens + (size_t)ids[r] * width;
        const float* position = positions ? positions + (size_t)places[r] * width : nullptr;
        for (int i = 0; i < width; i += lanes) {
            Lanes vector = load(token + i) * stack.scale;
            store(x + i, position ? vector + load(position + i) : vector);
        }
        if (stack.embedding_norm.kind != no_norm) stack.embedding_norm(x, x);
    }
}

// The residual connection around a sub-layer, which is called with what it reads and where it may write.
template <class Sublayer>
void around(const Norm& norm, bool norm_first, int width, int rows, Workspace& work, Sublayer sublayer) {
    float* x = work.x.get();
    float* changed = work.changed.need((size_t)rows * width);
    const float* read = x;
    if (norm_first) {
        float* normed = work.normed.need((size_t)rows * width);
        for (int r = 0; r < rows; r++) norm(x + (size_t)r * width, normed + (size_t)r * width);
        read = normed;
    }
    sublayer(read, changed);
    add(x, changed, (size_t)rows * width);
    if (!norm_first)
        for (int r = 0; r < rows; r++) norm(x + (size_t)r * width, x + (size_t)r * width);
}

inline void feed_forward(const Layer& layer, int rows, const float* x, float* y, Workspace& work) {
    int wide = layer.inner.columns, width = layer.outer.depth;
    float* inner = work.inner.need((size_t)rows * wide);
    layer.inner(x, rows, inner, work.bytes);
    for (int r = 0; r < rows; r++) {  // a gated row becomes narrower: it moves up, never past one that is still to be read
        const float* from = inner + (size_t)r * wide;
        float* to = inner + (size_t)r * width;
        for (int i = 0; i < width; i += lanes) {
            Lanes active = activated(layer.activation, load(from + i));
            store(to + i, layer.gated ? active * load(from + width + i) : active);
        }
    }
    layer.outer(inner, rows, y, work.bytes);
}

// Rotary positions: [x₁ cos − x₂ sin, x₂ cos + x₁ sin] of every head, x₁ and x₂ the halves of what is turned.
inline void turn(float* vectors, int heads, int key_width, int turned, const Tables& tables, int place) {
    int half = turned / 2;
    const float* cosines = tables.cosines + (size_t)place * half;
    const float* sines = tables.sines + (size_t)place * half;
    for (int h = 0; h < heads; h++) {
        float *first = vectors + (size_t)h * key_width, *second = first + half;
        for (int i = 0; i < half; i++) {
            float one = first[i], other = second[i];
            first[i] = one * cosines[i] - other * sines[i];
            second[i] = other * cosines[i] + one * sines[i];
        }
    }
}

// Queries, keys and values of every row, turned by their places.
inline float* project(const Attention& attention, const float* x, const int32_t* places, int rows, const Tables& tables,
                      Workspace& work) {
    int wide = attention.projections.columns;
    float* found = work.projected.need((size_t)rows * wide);
    attention.projections(x, rows, found, work.bytes);
    if (attention.turned)
        for (int r = 0; r < rows; r++)
            turn(found + (size_t)r * wide, attention.heads + attention.groups, attention.key_width, attention.turned,
                 tables, places[r]);
    return found;
}

// What `rows` queries of every head gather from `count` keys and values of one sentence, all of which they may see.
inline void gather(const Attention& attention, int rows, const float* queries, int query_stride, const float* keys,
                   const float* values, int value_stride, int count, float* to, Workspace& work) {
    int stride = padded(count), into = attention.heads * attention.value_width;
    float* scores = work.scores.need((size_t)rows * stride);
    for (int h = 0; h < attention.heads; h++) {
        int g = attention.group_of(h);
        Matrix own{keys + (size_t)g * attention.key_width * stride, stride};
        product(rows, {queries + h * attention.key_width, query_stride}, own, attention.key_width, stride, scores, stride);
        for (int r = 0; r < rows; r++) softmax(scores + (size_t)r * stride, count);
        Matrix seen{values + g * attention.value_width, value_stride};
        product(rows, {scores, stride}, seen, count, attention.value_width, to + h * attention.value_width, into);
    }
}

}  // namespace regard
