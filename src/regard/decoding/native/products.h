// Products of a few rows with weights that are kept in panels.
#pragma once

#include <cstring>
#include <utility>

#include "softmax.h"
#include "tiles.h"

namespace regard {

// A linear map as torch has it: weight [outputs, inputs], and a bias or none.
struct LinearView {
    const float* weight;
    const float* bias;
    int32_t inputs, outputs;
};

// Weights in panels of columns that a tile reads from its first byte to its last. Panel p holds columns [start(p), …).
class Packed {
  public:
    Packed() = default;
    explicit Packed(const LinearView& given) : depth(given.inputs), columns(given.outputs) {
        weights_.need((size_t)depth * columns);
        bias_.need(columns);
        for (int c = 0; c < columns; c++) bias_.get()[c] = given.bias ? given.bias[c] : 0.0f;
        for (int p = 0; p < panels(); p++) {
            float* to = weights_.get() + (size_t)start(p) * depth;
            int width = vectors(p) * lanes;
            for (int c = 0; c < width; c++)
                for (int k = 0; k < depth; k++)
                    to[(size_t)k * width + c] = given.weight[(size_t)(start(p) + c) * depth + k];
        }
    }

    int panels() const { return (columns / lanes + panel - 1) / panel; }
    int start(int p) const { return p * panel * lanes; }
    int vectors(int p) const { return std::min(panel, columns / lanes - p * panel); }

    // Of panel p alone; y begins at its first column.
    void times(int p, const float* x, int rows, float* y, int y_stride) const {
        Matrix w{weights_.get() + (size_t)start(p) * depth, vectors(p) * lanes};
        narrow_product(vectors(p), rows, {x, depth}, w, depth, bias_.get() + start(p), y, y_stride);
    }

    int depth = 0, columns = 0;

  private:
    Floats weights_, bias_;
};

}  // namespace regard
