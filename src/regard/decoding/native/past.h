// What a decoder has written: the keys and values of every place, for its self-attention.
//
// Those of the newest places stand on pages, one a place: of every layer, of every row that was there. A hypothesis
// knows which of those rows it went through, so nothing is moved when hypotheses change places. Places that all
// hypotheses of a sentence went through alike are settled, once there are many: then they stand in one place, once, and
// the queries of all hypotheses are one product.
#pragma once

#include "model.h"
#include "search.h"

namespace regard {

// Keys of one layer, turned over [group, key_width, room for places], and values [places, values].
struct Memory {
    Floats keys, values;
};

// Pages of one size, used again and again. A layer has a line, its key and value, for each of `beam` rows.
class Pages {
  public:
    Pages(const Stack& decoder, int beam) : beam_(beam) {
        for (const Layer& layer : decoder.layers) size_ += size_of(layer.self);
    }

    size_t size_of(const Attention& attention) const { return (size_t)beam_ * attention.line(); }

    float* take() {
        if (free_.empty()) {
            all_.emplace_back(size_);
            return all_.back().get();
        }
        float* page = free_.back();
        free_.pop_back();
        return page;
    }

    // The first pages of some, which then has them no more.
    void give_back(std::vector<float*>& pages, size_t count) {
        free_.insert(free_.end(), pages.begin(), pages.begin() + count);
        pages.erase(pages.begin(), pages.begin() + count);
    }

  private:
    int beam_;
    size_t size_ = 0;
    std::vector<Floats> all_;
    std::vector<float*> free_;
};

constexpr int worth_settling = 48;  // places: the memory for fewer costs more than it saves

struct Past {
    std::vector<Memory> memory;  // of each layer, at the first `settled` places
    int settled = 0, room = 0;
    std::vector<float*> pages;  // of each place after these

    // A page more, when whatever can be settled is.
    void turn_page(const Stack& decoder, const std::vector<Live>& live, Pages& stock) {
        int common = shared_by(live);
        for (; settled + unit <= common && (settled || worth_settling <= common); settled += unit) {
            if (settled == room) grow(decoder);
            copy_down(decoder, live.front(), stock);
            stock.give_back(pages, unit);
        }
        pages.push_back(stock.take());
    }

    // Of one layer, what is settled, from a row of its keys or a column of its values on.
    Matrix keys(size_t layer, int row) const {
        return {memory[layer].keys.get() + (size_t)row * room, room};
    }
    Matrix values(size_t layer, int column, int columns) const {
        return {memory[layer].values.get() + column, columns};
    }

  private:
    // The first place at which hypotheses differ.
    int shared_by(const std::vector<Live>& live) const {
        const auto& slots = live.front().slots;
        size_t place = settled;
        auto alike = [&](const Live& one) { return one.slots[place] == slots[place]; };
        while (place < slots.size() && std::all_of(live.begin(), live.end(), alike)) place++;
        return (int)place;
    }

    // The first `unit` pages into the memory.
    void copy_down(const Stack& decoder, const Live& one, const Pages& stock) {
        size_t before = 0;
        for (size_t l = 0; l < memory.size(); l++) {
            const Attention& attention = decoder.layers[l].self;
            for (int p = 0; p < unit; p++) {
                const float* line = pages[p] + before + (size_t)one.slots[settled + p] * attention.line();
                float* keys = memory[l].keys.get() + settled + p;
                for (int k = 0; k < attention.keys(); k++) keys[(size_t)k * room] = line[k];
                float* values = memory[l].values.get() + (size_t)(settled + p) * attention.values();
                std::copy_n(line + attention.keys(), attention.values(), values);
            }
            before += stock.size_of(attention);
        }
    }

    // Room for twice as many settled places.
    void grow(const Stack& decoder) {
        int wider = std::max(4 * unit, 2 * room);
        memory.resize(decoder.layers.size());
        for (size_t l = 0; l < memory.size(); l++) {
            int keys = decoder.layers[l].self.keys(), values = decoder.layers[l].self.values();
            Memory grown{Floats((size_t)wider * keys), Floats((size_t)wider * values)};
            for (int k = 0; k < keys; k++)
                std::copy_n(memory[l].keys.get() + (size_t)k * room, settled, grown.keys.get() + (size_t)k * wider);
            std::copy_n(memory[l].values.get(), (size_t)settled * values, grown.values.get());
            memory[l] = std::move(grown);
        }
        room = wider;
    }
};

}  // namespace regard
