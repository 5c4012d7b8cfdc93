// Softmax, label-smoothed cross entropy and its gradient: one pass over each row of logits while it is in the cache.
#pragma once

#include "numbers.h"
#include "softmax.h"

namespace regard {

struct Smoothing {
    float rate;  // ε of section 5.4
    long never;  // an id that is no prediction; −1: there is none
};

// Copies a row, as wide numbers and with its bias, and fills up its last register; returns the sum.
template <class Number>
inline float widen(const Number* row, const float* bias, int ids, float* to) {
    Lanes total{};
    for (int v = 0; v < ids; v += lanes) {
        Lanes here = read_up_to(row + v, ids - v);
        if (bias) here += read_up_to(bias + v, ids - v);
        store(to + v, here);
        total += here;
    }
    for (int v = ids; v < padded(ids); v++) to[v] = -infinity;
    return sum(total);
}

// logits → softmax − q, in place, with q = (1 − ε)·[v = answer] + ε/V; of each row log p(answer) and the mean log p.
// `bias` is added to the logits first, where there is one. A row with a logit that is no number yields no numbers.
template <class Number>
void cross_entropy(Number* logits, const int64_t* answers, const float* bias, float* answered, float* means, long rows,
                   int ids, const Smoothing& smoothing, int threads) {
    long never = smoothing.never;
    int count = ids - (never >= 0);
    float even = smoothing.rate / count;
#pragma omp parallel num_threads(threads)
    {
        Floats wide(padded(ids));
        float* z = wide.get();
#pragma omp for schedule(static)
        for (long r = 0; r < rows; r++) {
            Number* row = logits + (size_t)r * ids;
            float total = widen(row, bias, ids, z), answer = z[answers[r]];
            if (never >= 0) total -= z[never], z[never] = -infinity;
            float top = largest_of(z, padded(ids)), normaliser = raise(z, padded(ids), top);
            float log_normaliser = top + std::log(normaliser) + 0.0f * total;
            answered[r] = answer - log_normaliser;
            means[r] = total / count - log_normaliser;
            float share = 1.0f / normaliser;
            for (int v = 0; v < ids; v += lanes) store(z + v, load(z + v) * share - even);
            z[answers[r]] -= 1.0f - smoothing.rate;
            if (never >= 0) z[never] = 0.0f;
            for (int v = 0; v < ids; v += lanes) write_up_to(row + v, load(z + v), ids - v);
        }
    }
}

}  // namespace regard
