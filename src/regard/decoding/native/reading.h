// The encoder, over several sentences at once, so that its products have rows enough.
#pragma once

#include "past.h"

namespace regard {

struct Sentence {
    Sentence(int number, int limit) : number(number), search(limit) {}

    int number;
    std::vector<int32_t> ids, places;
    std::vector<Memory> memory;  // of the source, for each layer of the decoder
    Past past;
    Search search;

    int length() const { return (int)ids.size(); }
};

using Sentences = std::vector<std::unique_ptr<Sentence>>;

class Reader {
  public:
    explicit Reader(const Model& model) : model_(model) {}

    // Read the sentences from number `first` on: their memory, for every layer of the decoder.
    void read(Sentences& sentences, size_t first, const Tables& tables, Workspace& work) {
        own_.clear(), ids_.clear(), places_.clear();
        for (size_t s = first; s < sentences.size(); s++) {
            own_.push_back(sentences[s].get());
            ids_.insert(ids_.end(), own_.back()->ids.begin(), own_.back()->ids.end());
            places_.insert(places_.end(), own_.back()->places.begin(), own_.back()->places.end());
        }
        int rows = (int)ids_.size(), width = model_.width;
        const Stack& stack = model_.encoder;
        float* x = work.x.need((size_t)rows * width);
        embed(stack, width, ids_.data(), places_.data(), tables.encoder, rows, x);
        for (const Layer& layer : stack.layers) {
            around(layer.self_norm, layer.norm_first, width, rows, work,
                   [&](const float* in, float* out) { attend(layer.self, in, rows, out, tables, work); });
            around(layer.feed_forward_norm, layer.norm_first, width, rows, work,
                   [&](const float* in, float* out) { feed_forward(layer, rows, in, out, work); });
        }
        if (stack.final_norm.kind != no_norm)
            for (int r = 0; r < rows; r++) stack.final_norm(x + (size_t)r * width, x + (size_t)r * width);
        remember(x, rows, work);
    }

  private:
    // Each token looks at all of its sentence.
    void attend(const Attention& attention, const float* x, int rows, float* y, const Tables& tables, Workspace& work) {
        int wide = attention.projections.columns, into = attention.heads * attention.value_width;
        float* projected = project(attention, x, places_.data(), rows, tables, work);
        float* gathered = work.gathered.need((size_t)rows * into);
        for (Sentence* one : own_) {
            int length = one->length(), stride = padded(length);
            float* keys = work.turned_keys.need((size_t)attention.keys() * stride);
            float* own_keys = projected + attention.queries();
            turn_over({own_keys, wide}, length, attention.keys(), keys, stride);
            gather(attention, length, projected, wide, keys, own_keys + attention.keys(), wide, length, gathered, work);
            projected += (size_t)length * wide, gathered += (size_t)length * into;
        }
        attention.output(work.gathered.get(), rows, y, work.bytes);
    }

    void remember(const float* x, int rows, Workspace& work) {
        for (Sentence* one : own_) one->memory.resize(model_.decoder.layers.size());
        for (size_t l = 0; l < model_.decoder.layers.size(); l++) {
            const Attention& cross = model_.decoder.layers[l].cross;
            int wide = cross.remembered.columns;
            float* projected = work.projected.need((size_t)rows * wide);
            cross.remembered(x, rows, projected, work.bytes);
            for (Sentence* one : own_) {
                int length = one->length(), stride = padded(length);
                turn_over({projected, wide}, length, cross.keys(),
                          one->memory[l].keys.need((size_t)cross.keys() * stride), stride);
                float* values = one->memory[l].values.need((size_t)length * cross.values());
                for (int r = 0; r < length; r++)
                    std::copy_n(projected + (size_t)r * wide + cross.keys(), cross.values(), values + r * cross.values());
                projected += (size_t)length * wide;
            }
        }
    }

    const Model& model_;
    std::vector<Sentence*> own_;
    std::vector<int32_t> ids_, places_;
};

}  // namespace regard
