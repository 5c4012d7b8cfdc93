// The decoder: one token more of every hypothesis.
#pragma once

#include "reading.h"

namespace regard {

// One live hypothesis of one sentence: the newest token is at `place`.
struct Row {
    Sentence* sentence;
    int slot;
    const Live& hypothesis() const { return sentence->search.live[slot]; }
};

class Writer {
  public:
    Writer(const Model& model, int beam) : model_(model), pages_(model.decoder, beam) {}

    // The states [rows, width] of the newest token of every live hypothesis.
    const float* step(Sentences& sentences, const Tables& tables, Workspace& work) {
        rows_.clear(), ids_.clear(), places_.clear();
        for (auto& one : sentences) {
            one->past.turn_page(model_.decoder, one->search.live, pages_);
            for (int i = 0; i < (int)one->search.live.size(); i++) {
                rows_.push_back({one.get(), i});
                const auto& tokens = one->search.live[i].tokens;
                ids_.push_back(tokens.empty() ? model_.start : tokens.back());
                places_.push_back((int32_t)tokens.size());
            }
        }
        int rows = (int)rows_.size(), width = model_.width;
        const Stack& stack = model_.decoder;
        float* x = work.x.need((size_t)rows * width);
        embed(stack, width, ids_.data(), places_.data(), tables.decoder, rows, x);
        size_t before = 0;
        for (size_t l = 0; l < stack.layers.size(); l++) {
            const Layer& layer = stack.layers[l];
            around(layer.self_norm, layer.norm_first, width, rows, work, [&](const float* in, float* out) {
                look_back(layer.self, l, before, in, out, tables, work);
            });
            around(layer.cross_norm, layer.norm_first, width, rows, work,
                   [&](const float* in, float* out) { look_at_source(layer.cross, l, in, out, work); });
            around(layer.feed_forward_norm, layer.norm_first, width, rows, work,
                   [&](const float* in, float* out) { feed_forward(layer, rows, in, out, work); });
            before += pages_.size_of(layer.self);
        }
        if (stack.final_norm.kind != no_norm)
            for (int r = 0; r < rows; r++) stack.final_norm(x + (size_t)r * width, x + (size_t)r * width);
        return x;
    }

    int rows() const { return (int)rows_.size(); }
    const Row& row(int r) const { return rows_[r]; }
    void forget(Sentence& sentence) { pages_.give_back(sentence.past.pages, sentence.past.pages.size()); }

  private:
    // Masked self-attention. On its page a layer begins `before` numbers on, with a line of key and value for each row.
    void look_back(const Attention& attention, size_t layer, size_t before, const float* x, float* y,
                   const Tables& tables, Workspace& work) {
        int rows = (int)rows_.size(), wide = attention.projections.columns, line = attention.line();
        int into = attention.heads * attention.value_width;
        const float* projected = project(attention, x, places_.data(), rows, tables, work);
        float* gathered = work.gathered.need((size_t)rows * into);
        for (int r = 0; r < rows;) {
            const Sentence& sentence = *rows_[r].sentence;
            const Past& past = sentence.past;
            const auto& live = sentence.search.live;
            const float* own = projected + (size_t)r * wide;
            lines_.clear();
            for (size_t i = 0; i < live.size(); i++) {
                float* newest = past.pages.back() + before + i * line;
                std::copy_n(own + i * wide + attention.queries(), line, newest);
                for (size_t p = 0; p + 1 < past.pages.size(); p++)
                    lines_.push_back(past.pages[p] + before + (size_t)live[i].slots[past.settled + p] * line);
                lines_.push_back(newest);
            }
            gather_past(attention, past, layer, (int)live.size(), own, gathered + (size_t)r * into, work);
            r += (int)live.size();
        }
        attention.output(gathered, rows, y, work.bytes);
    }

    // What the hypotheses of a sentence gather from what is settled, and each from its own `lines_`, one a page.
    void gather_past(const Attention& attention, const Past& past, size_t layer, int own, const float* queries,
                     float* to, Workspace& work) {
        int settled = past.settled, apart = (int)past.pages.size(), stride = padded(settled + apart);
        int wide = attention.projections.columns, into = attention.heads * attention.value_width;
        float* scores = work.scores.need((size_t)own * stride);
        for (int h = 0; h < attention.heads; h++, queries += attention.key_width, to += attention.value_width) {
            int group = attention.group_of(h), key = group * attention.key_width, value = group * attention.value_width;
            if (settled)
                product(own, {queries, wide}, past.keys(layer, key), attention.key_width, settled, scores, stride);
            for (int i = 0; i < own; i++) {
                const float* query = queries + (size_t)i * wide;
                float* row = scores + (size_t)i * stride;
                for (int p = 0; p < apart; p++)
                    row[settled + p] = dot(query, lines_[i * apart + p] + key, attention.key_width);
                softmax(row, settled + apart);
            }
            if (settled)
                product(own, {scores, stride}, past.values(layer, value, attention.values()), settled,
                        attention.value_width, to, into);
            for (int i = 0; i < own; i++) {
                if (!settled) std::fill_n(to + (size_t)i * into, attention.value_width, 0.0f);
                for (int p = 0; p < apart; p++) {
                    const float* theirs = lines_[i * apart + p] + attention.keys() + value;
                    add(to + (size_t)i * into, theirs, attention.value_width, scores[(size_t)i * stride + settled + p]);
                }
            }
        }
    }

    // The hypotheses of a sentence look at one memory.
    void look_at_source(const Attention& attention, size_t layer, const float* x, float* y, Workspace& work) {
        int rows = (int)rows_.size(), wide = attention.queries(), into = attention.heads * attention.value_width;
        float* queries = work.projected.need((size_t)rows * wide);
        attention.projections(x, rows, queries, work.bytes);
        float* gathered = work.gathered.need((size_t)rows * into);
        for (int r = 0; r < rows;) {
            Sentence& sentence = *rows_[r].sentence;
            int own = (int)sentence.search.live.size();
            const Memory& memory = sentence.memory[layer];
            gather(attention, own, queries + (size_t)r * wide, wide, memory.keys.get(), memory.values.get(),
                   attention.values(), sentence.length(), gathered + (size_t)r * into, work);
            r += own;
        }
        attention.output(gathered, rows, y, work.bytes);
    }

    const Model& model_;
    Pages pages_;
    std::vector<Row> rows_;
    std::vector<int32_t> ids_, places_;
    std::vector<const float*> lines_;
};

}  // namespace regard
