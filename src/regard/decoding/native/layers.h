// The parts of a Transformer, as they are handed in (the `View`s, which plan.py fills) and as they are kept.
#pragma once

#include <memory>
#include <vector>

#include "bytes.h"

namespace regard {

struct NormView {
    const float* weight;
    const float* bias;
    float epsilon;
    int32_t kind;
};

enum NormKind { no_norm, layer_norm, rms_norm };

// `projections`: queries, keys and values side by side; of attention to the memory, the queries alone, and its keys and
// values in `remembered`. A head has `key_width` columns, of which rotary positions turn the first `turned`.
struct AttentionView {
    LinearView projections, remembered, output;
    int32_t heads, groups, key_width, value_width, turned;
};

enum Activation { relu, gelu, gelu_tanh, silu };

// `inner`: where it is gated, W₁ and W_g side by side.
struct FeedForwardView {
    LinearView inner, outer;
    int32_t activation, gated;
};

struct BlockView {
    AttentionView self, cross;
    FeedForwardView feed_forward;
    NormView self_norm, cross_norm, feed_forward_norm;
    int32_t norm_first;
};

struct StackView {
    const float* tokens;
    const BlockView* blocks;
    NormView embedding_norm, final_norm;
    float scale;
    int32_t count;
};

struct ModelView {
    StackView encoder, decoder;
    LinearView output;
    int32_t width, vocabulary, start, bytes;
};

// A linear map, in float32 or in bytes.
class Linear {
  public:
    Linear() = default;
    Linear(const LinearView& given, bool bytes) : bytes_(bytes) {
        if (!given.weight) return;
        if (bytes) small_ = std::make_unique<PackedBytes>(given);
        else exact_ = std::make_unique<Packed>(given);
        columns = given.outputs, depth = given.inputs;
    }

    // y [rows, columns] = x [rows, depth] W + bias.
    void operator()(const float* x, int rows, float* y, Bytes& scratch) const {
        prepare(x, rows, scratch);
        for (int c = 0; c < columns; c += panel * lanes) part(c / (panel * lanes), x, scratch, rows, y + c, columns);
    }

    void prepare(const float* x, int rows, Bytes& scratch) const {
        if (bytes_) to_bytes(x, rows, depth, scratch);
    }

    // One panel of columns, of rows that have been prepared.
    void part(int p, const float* x, const Bytes& scratch, int rows, float* y, int y_stride) const {
        if (bytes_) small_->times(p, scratch, 0, rows, y, y_stride);
        else exact_->times(p, x, rows, y, y_stride);
    }

    int columns = 0, depth = 0;

  private:
    bool bytes_ = false;
    std::unique_ptr<Packed> exact_;
    std::unique_ptr<PackedBytes> small_;
};

struct Norm {
    explicit Norm(const NormView& given, int width) : kind(given.kind), epsilon(given.epsilon) {
        if (given.weight) weight.assign(given.weight, given.weight + width);
        bias.assign(width, 0.0f);
        if (given.bias) bias.assign(given.bias, given.bias + width);
    }

    // y = norm(x), a row; y may be x.
    void operator()(const float* x, float* y) const {
        int width = (int)weight.size();
        Lanes total{}, squares{};
        if (kind == layer_norm)
            for (int i = 0; i < width; i += lanes) total += load(x + i);
        float mean = kind == layer_norm ? sum(total) / width : 0.0f;
        for (int i = 0; i < width; i += lanes) {
            Lanes away = load(x + i) - mean;
            squares += away * away;
        }
        float factor = 1.0f / std::sqrt(sum(squares) / width + epsilon);
        for (int i = 0; i < width; i += lanes)
            store(y + i, (load(x + i) - mean) * factor * load(&weight[i]) + load(&bias[i]));
    }

    int kind;
    float epsilon;
    std::vector<float> weight, bias;
};

// x = x + factor · y.
inline void add(float* x, const float* y, size_t count, float factor = 1.0f) {
    for (size_t i = 0; i < count; i += lanes) store(x + i, load(x + i) + all(factor) * load(y + i));
}

inline float dot(const float* x, const float* y, int count) {
    Lanes alike{};
    for (int i = 0; i < count; i += lanes) alike += load(x + i) * load(y + i);
    return sum(alike);
}

// erf by Abramowitz and Stegun 7.1.26: off by at most 1.5e-7.
inline Lanes error_function(Lanes x) {
    Whole sign = bits(x) & (int32_t)0x80000000;
    Lanes size = as_float(bits(x) & 0x7fffffff);
    Lanes t = 1.0f / (size * 0.3275911f + 1.0f);
    Lanes p = ((((t * 1.061405429f - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    return as_float(bits(1.0f - p * exponential(size * -size)) | sign);
}

// The functions of ACTIVATIONS. Beyond ±40 they are flat, and an exponential runs out of numbers.
inline Lanes activated(int kind, Lanes x) {
    auto bounded = [](Lanes u) { return larger(smaller(u, all(40.0f)), all(-40.0f)); };
    switch (kind) {
        case relu: return larger(x, Lanes{});
        case gelu: return x * 0.5f * (error_function(x * 0.70710678f) + 1.0f);
        case gelu_tanh: {
            Lanes twice = (x + x * x * x * 0.044715f) * 1.5957691216f;  // 2u, and (1 + tanh u) / 2 = 1 / (1 + e^−2u)
            return x / (exponential(bounded(-twice)) + 1.0f);
        }
        default: return x / (exponential(bounded(-x)) + 1.0f);
    }
}

}  // namespace regard
