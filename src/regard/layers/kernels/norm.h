// Layer norm (Ba et al. 2016) of a sum with dropout, section 5.4 of the paper: y = norm(h) with h = x + dropout(s).
#pragma once

#include "dropout.h"

namespace regard {

struct NormShape {
    long rows;
    int columns;  // a multiple of `lanes`
    float epsilon;
};

// Also keeps h, and of every row the mean and 1 / √(variance + ε), for the way back.
template <class Number>
void add_norm(const Number* x, const Number* s, const Number* gain, const Number* shift, Number* h, Number* y,
              float* means, float* scales, NormShape shape, const Dropout& dropout, int threads) {
    int columns = shape.columns;
#pragma omp parallel num_threads(threads)
    {
        Floats kept(room_for(columns)), wide(columns);
#pragma omp for schedule(static)
        for (long r = 0; r < shape.rows; r++) {
            if (dropout.threshold) draw(dropout, r, columns, kept.get());
            long at = r * columns;
            Lanes total{};
            for (int c = 0; c < columns; c += lanes) {
                Lanes some = read(s + at + c);
                if (dropout.threshold) some *= load(kept.get() + c);
                write(h + at + c, read(x + at + c) + some);
                Lanes here = read(h + at + c);  // as rounded as the way back will find it
                store(wide.get() + c, here);
                total += here;
            }
            float mean = sum(total) / columns;
            Lanes squares{};
            for (int c = 0; c < columns; c += lanes) {
                Lanes away = load(wide.get() + c) - mean;
                squares += away * away;
            }
            float scale = 1.0f / std::sqrt(sum(squares) / columns + shape.epsilon);
            for (int c = 0; c < columns; c += lanes)
                write(y + at + c, (load(wide.get() + c) - mean) * scale * read(gain + c) + read(shift + c));
            means[r] = mean, scales[r] = scale;
        }
    }
}

constexpr long rows_summed_together = 64;  // the same sums in the same order with any number of threads

// What y's gradient is to x (that of h), to s (the same without dropout, and not written then), and, summed over rows, to gain and shift.
template <class Number>
void add_norm_back(const Number* gradient, const Number* h, const float* means, const float* scales, const Number* gain,
                   Number* by_x, Number* by_s, float* by_gain, float* by_shift, NormShape shape, const Dropout& dropout,
                   int threads) {
    int columns = shape.columns;
    long groups = (shape.rows + rows_summed_together - 1) / rows_summed_together;
    Floats sums((size_t)groups * 2 * columns);
#pragma omp parallel num_threads(threads)
    {
        Floats kept(room_for(columns));
#pragma omp for schedule(static)
        for (long group = 0; group < groups; group++) {
            float* gains = sums.get() + (size_t)group * 2 * columns;
            float* shifts = gains + columns;
            std::memset(gains, 0, 2 * columns * sizeof(float));
            long end = std::min(shape.rows, (group + 1) * rows_summed_together);
            for (long r = group * rows_summed_together; r < end; r++) {
                long at = r * columns;
                float mean = means[r], scale = scales[r];
                Lanes total{}, aligned{};
                for (int c = 0; c < columns; c += lanes) {
                    Lanes outer = read(gradient + at + c), normed = (read(h + at + c) - mean) * scale;
                    Lanes inner = outer * read(gain + c);
                    store(gains + c, load(gains + c) + outer * normed);
                    store(shifts + c, load(shifts + c) + outer);
                    total += inner;
                    aligned += inner * normed;
                }
                float offset = sum(total) / columns, slope = sum(aligned) / columns;
                if (dropout.threshold) draw(dropout, r, columns, kept.get());
                for (int c = 0; c < columns; c += lanes) {
                    Lanes normed = (read(h + at + c) - mean) * scale;
                    Lanes inner = read(gradient + at + c) * read(gain + c);
                    Lanes found = (inner - offset - normed * slope) * scale;
                    write(by_x + at + c, found);
                    if (dropout.threshold) write(by_s + at + c, found * load(kept.get() + c));
                }
            }
        }
    }
    std::memset(by_gain, 0, columns * sizeof(float));
    std::memset(by_shift, 0, columns * sizeof(float));
    for (long group = 0; group < groups; group++)
        for (int c = 0; c < columns; c++) {
            by_gain[c] += sums.get()[(size_t)group * 2 * columns + c];
            by_shift[c] += sums.get()[(size_t)group * 2 * columns + columns + c];
        }
}

}  // namespace regard
