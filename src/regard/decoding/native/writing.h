// The decoder: one token more of every hypothesis.
//
// The keys and values of a place stand on a page: of every layer, of every row that was there. A hypothesis knows which
// of those rows it went through, so nothing is ever moved when hypotheses change places.
#pragma once

#include "reading.h"

namespace regard {

// Pages of one size, used again and again.
class Pages {
  public:
    explicit Pages(size_t size) : size_(size) {}

    float* take() {
        if (free_.empty()) {
            all_.emplace_back(size_);
            return all_.back().get();
        }
        float* page = free_.back();
        free_.pop_back();
        return page;
    }
    void give_back(std::vector<float*>& pages) {
        free_.insert(free_.end(), pages.begin(), pages.end());
        pages.clear();
    }

  private:
    size_t size_;
    std::vector<Floats> all_;
    std::vector<float*> free_;
};

// One live hypothesis of one sentence: the newest token is at `place`.
struct Row {
    Sentence* sentence;
    int slot;
    const Live& hypothesis() const { return sentence->search.live[slot]; }
};

class Writer {
  public:
    Writer(const Model& model, int beam) : model_(model), beam_(beam), pages_(page_size()) {}

    // The states [rows, width] of the newest token of every live hypothesis.
    const float* step(Sentences& sentences, const Tables& tables, Workspace& work) {
        rows_.clear(), ids_.clear(), places_.clear();
        for (auto& one : sentences) {
            one->pages.push_back(pages_.take());
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
                look_back(layer.self, before, in, out, tables, work);
            });
            around(layer.cross_norm, layer.norm_first, width, rows, work,
                   [&](const float* in, float* out) { look_at_source(layer.cross, l, in, out, work); });
            around(layer.feed_forward_norm, layer.norm_first, width, rows, work,
                   [&](const float* in, float* out) { feed_forward(layer, rows, in, out, work); });
            before += (size_t)beam_ * (layer.self.keys() + layer.self.values());
        }
        if (stack.final_norm.kind != no_norm)
            for (int r = 0; r < rows; r++) stack.final_norm(x + (size_t)r * width, x + (size_t)r * width);
        return x;
    }

    int rows() const { return (int)rows_.size(); }
    const Row& row(int r) const { return rows_[r]; }
    void forget(Sentence& sentence) { pages_.give_back(sentence.pages); }

  private:
    size_t page_size() const {
        size_t size = 0;
        for (const Layer& layer : model_.decoder.layers) size += layer.self.keys() + layer.self.values();
        return size * beam_;
    }

    // Masked self-attention. On its page a layer begins `before` numbers on, with a line of key and value for each row.
    void look_back(const Attention& attention, size_t before, const float* x, float* y, const Tables& tables,
                   Workspace& work) {
        int rows = (int)rows_.size(), wide = attention.projections.columns;
        int into = attention.heads * attention.value_width, line = attention.keys() + attention.values();
        const float* projected = project(attention, x, places_.data(), rows, tables, work);
        float* gathered = work.gathered.need((size_t)rows * into);
        for (int r = 0; r < rows; r++)
            std::copy_n(projected + (size_t)r * wide + attention.queries(), line,
                        rows_[r].sentence->pages.back() + before + (size_t)rows_[r].slot * line);
        for (int r = 0; r < rows; r++) {
            lines_.clear();
            const auto& slots = rows_[r].hypothesis().slots;
            const auto& pages = rows_[r].sentence->pages;
            for (size_t p = 0; p < slots.size(); p++) lines_.push_back(pages[p] + before + (size_t)slots[p] * line);
            lines_.push_back(pages.back() + before + (size_t)rows_[r].slot * line);
            gather_lines(attention, projected + (size_t)r * wide, gathered + (size_t)r * into, work);
        }
        attention.output(gathered, rows, y, work.bytes);
    }

    // What one query of every head gathers from `lines_`, each a key and a value.
    void gather_lines(const Attention& attention, const float* query, float* to, Workspace& work) {
        int count = (int)lines_.size(), stride = padded(count), heads = attention.heads;
        int key_width = attention.key_width, value_width = attention.value_width;
        float* scores = work.scores.need((size_t)heads * stride);
        for (int p = 0; p < count; p++)
            for (int h = 0; h < heads; h++) {
                const float *key = lines_[p] + attention.group_of(h) * key_width, *own = query + h * key_width;
                Lanes alike{};
                for (int i = 0; i < key_width; i += lanes) alike += load(own + i) * load(key + i);
                scores[(size_t)h * stride + p] = sum(alike);
            }
        for (int h = 0; h < heads; h++) softmax(scores + (size_t)h * stride, count);
        std::fill_n(to, heads * value_width, 0.0f);
        for (int p = 0; p < count; p++)
            for (int h = 0; h < heads; h++) {
                const float* value = lines_[p] + attention.keys() + attention.group_of(h) * value_width;
                Lanes weight = all(scores[(size_t)h * stride + p]);
                for (int i = 0; i < value_width; i += lanes) {
                    float* at = to + h * value_width + i;
                    store(at, load(at) + weight * load(value + i));
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
    int beam_;
    Pages pages_;
    std::vector<Row> rows_;
    std::vector<int32_t> ids_, places_;
    std::vector<const float*> lines_;
};

}  // namespace regard
