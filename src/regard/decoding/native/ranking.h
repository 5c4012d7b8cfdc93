// The output layer, log-softmax and the best few of each row in one: the logits never leave the processor's cache.
#pragma once

#include "model.h"
#include "search.h"

namespace regard {

constexpr int columns_at_once = 512;  // of the vocabulary: a multiple of every panel's width

// The best of one row so far, best first. Columns come in rising order, so of equal ones the lower stays first.
class Best {
  public:
    Best(float* values, int32_t* columns, int wanted) : values_(values), columns_(columns), wanted_(wanted) {}

    float threshold() const { return count < wanted_ ? -infinity : values_[count - 1]; }

    void offer(float value, int32_t column) {
        if (!(value > threshold())) return;
        int place = count < wanted_ ? count++ : count - 1;
        for (; place > 0 && values_[place - 1] < value; place--)
            values_[place] = values_[place - 1], columns_[place] = columns_[place - 1];
        values_[place] = value, columns_[place] = column;
    }

    int count = 0;

  private:
    float* values_;
    int32_t* columns_;
    int wanted_;
};

class OutputLayer {
  public:
    explicit OutputLayer(const Model& model) : model_(model) {}

    // A ranking of each row of hidden states. `forbidden[r]`: ids in rising order. False: a logit is no number.
    bool rank(const float* hidden, int rows, const std::vector<const std::vector<int32_t>*>& forbidden,
              const Settings& settings, std::vector<Ranking>& found, Workspace& work) {
        int wanted = settings.candidates();
        int blocks = (model_.output.columns + columns_at_once - 1) / columns_at_once, stride = padded(blocks);
        float* most = most_.need((size_t)rows * stride);
        float* sums = sums_.need((size_t)rows * stride);
        float* logits = work.logits.need((size_t)rows * columns_at_once);
        values_.resize((size_t)rows * wanted), columns_.resize((size_t)rows * wanted);
        std::vector<Best> best;
        for (int r = 0; r < rows; r++)
            best.emplace_back(&values_[(size_t)r * wanted], &columns_[(size_t)r * wanted], wanted);
        found.resize(std::max(found.size(), (size_t)rows));
        model_.output.prepare(hidden, rows, work.bytes);
        for (int b = 0; b < blocks; b++) {
            int start = b * columns_at_once, width = std::min(columns_at_once, model_.output.columns - start);
            for (int c = 0; c < width; c += panel * lanes)
                model_.output.part((start + c) / (panel * lanes), hidden, work.bytes, rows, logits + c, columns_at_once);
            for (int r = 0; r < rows; r++) {
                float* row = logits + (size_t)r * columns_at_once;
                Part part{row, start, width};
                part.weigh(most[(size_t)r * stride + b], sums[(size_t)r * stride + b]);
                part.note(settings.ends[0], found[r].end);
                part.note(settings.forced_first, found[r].first);
                part.forbid(*forbidden[r]);
                part.offer_to(best[r], most[(size_t)r * stride + b]);
            }
        }
        bool numbers = true;
        for (int r = 0; r < rows; r++) {
            double log_sum = whole_log_sum(most + (size_t)r * stride, sums + (size_t)r * stride, blocks);
            numbers = numbers && std::isfinite(log_sum) && all_finite(hidden + (size_t)r * model_.width);
            found[r].best.clear();
            for (int i = 0; i < best[r].count; i++)
                found[r].best.push_back({columns_[(size_t)r * wanted + i], values_[(size_t)r * wanted + i] - log_sum});
            found[r].end -= log_sum, found[r].first -= log_sum;
        }
        return numbers;
    }

  private:
    // The logits of one row for columns start … start + width − 1.
    struct Part {
        float* row;
        int start, width;

        void weigh(float& most, float& total) const {
            Lanes high = all(-infinity), powers{};
            for (int i = 0; i < width; i += lanes) high = larger(high, load(row + i));
            most = largest(high);
            if (most > -infinity)
                for (int i = 0; i < width; i += lanes) powers += exponential(load(row + i) - most);
            total = sum(powers);
        }

        void note(int32_t token, double& logit) const {
            if (token >= start && token < start + width) logit = row[token - start];
        }

        void forbid(const std::vector<int32_t>& ids) const {
            for (auto id = std::lower_bound(ids.begin(), ids.end(), start); id != ids.end() && *id < start + width; id++)
                row[*id - start] = -infinity;
        }

        void offer_to(Best& best, float most) const {
            if (!(most > best.threshold())) return;
            for (int i = 0; i < width; i += lanes)
                if (any_above(load(row + i), all(best.threshold())))
                    for (int j = i; j < i + lanes; j++) best.offer(row[j], start + j);
        }
    };

    // log Σ e^logit from the largest logit of each block and its sum of e^(logit − largest).
    static double whole_log_sum(float* most, float* sums, int blocks) {
        for (int b = blocks; b < padded(blocks); b++) most[b] = -infinity, sums[b] = 0.0f;
        Lanes high = all(-infinity), total{};
        for (int b = 0; b < blocks; b += lanes) high = larger(high, load(most + b));
        float top = largest(high);
        for (int b = 0; b < blocks; b += lanes) total += load(sums + b) * exponential(load(most + b) - top);
        return (double)top + std::log((double)sum(total));
    }

    bool all_finite(const float* row) const {
        Lanes found{};
        for (int i = 0; i < model_.width; i += lanes) {
            Lanes x = load(row + i);
            found += x - x;
        }
        return sum(found) == 0.0f;
    }

    const Model& model_;
    Floats most_, sums_;
    std::vector<float> values_;
    std::vector<int32_t> columns_;
};

}  // namespace regard
