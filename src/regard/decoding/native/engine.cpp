// The compiled decoder's face to Python: plain functions on plain arrays, called by engine.py.
//
// Nothing here may throw. What fails for want of memory says so by a null pointer, or by `failed`.
#include "worker.h"

using namespace regard;

namespace {

enum Progress : int32_t { done, more, no_numbers, failed };

template <class Made, class Make>
Made* made_or_null(Make make) {
    try {
        return make();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

}  // namespace

extern "C" {

int32_t regard_has_bytes() { return has_bytes; }

Model* regard_model(const ModelView* given) {
    return made_or_null<Model>([&] { return new Model(*given); });
}

void regard_forget_model(Model* model) { delete model; }

struct JobView {
    Settings settings;
    Tables tables;
    int32_t count, workers;
    int64_t most_tokens;
    const int32_t *ids, *places, *starts, *limits;
};

Job* regard_job(const Model* model, const JobView* given) {
    return made_or_null<Job>([&] {
        int n = given->count, tokens = given->starts[n];
        const Settings& s = given->settings;
        Job* job = new Job{*model, s, given->tables, n, given->workers, (long)given->most_tokens};
        job->ids.assign(given->ids, given->ids + tokens);
        job->places.assign(given->places, given->places + tokens);
        job->starts.assign(given->starts, given->starts + n + 1);
        job->limits.assign(given->limits, given->limits + n);
        job->suppressed.assign(s.suppressed, s.suppressed + s.suppressed_count);
        job->ends.assign(s.ends, s.ends + s.ends_count);
        job->settings.suppressed = job->suppressed.data();
        job->settings.ends = job->ends.data();
        job->results.resize(n);
        return job;
    });
}

void regard_forget_job(Job* job) { delete job; }

int32_t regard_done(const Job* job) { return job->done; }

Worker* regard_worker(Job* job) {
    return made_or_null<Worker>([&] { return new Worker(*job); });
}

void regard_forget_worker(Worker* worker) { delete worker; }

int32_t regard_work(Job* job, Worker* worker, double seconds) {
    try {
        bool left = worker->work(seconds);
        return !job->numbers ? no_numbers : left ? more : done;
    } catch (const std::bad_alloc&) {
        return failed;
    }
}

// How many outputs sentence i has, and how many tokens they have together.
void regard_sizes(const Job* job, int32_t i, int32_t* outputs, int32_t* tokens) {
    *outputs = (int32_t)job->results[i].size(), *tokens = 0;
    for (const Ended& one : job->results[i]) *tokens += (int32_t)one.tokens.size();
}

// The outputs of sentence i, best first, one behind another.
void regard_result(const Job* job, int32_t i, int32_t* lengths, double* totals, double* scores, int32_t* tokens,
                   double* logs) {
    for (const Ended& one : job->results[i]) {
        *lengths++ = (int32_t)one.tokens.size(), *totals++ = one.total, *scores++ = one.score;
        tokens = std::copy(one.tokens.begin(), one.tokens.end(), tokens);
        logs = std::copy(one.logs.begin(), one.logs.end(), logs);
    }
}

// For the tests: y [rows, outputs] = x [rows, inputs] weightᵀ + bias, as the engine computes it.
int32_t regard_product(const LinearView* given, int32_t bytes, const float* x, int32_t rows, float* y) {
    try {
        Bytes scratch;
        Linear(*given, bytes)(x, rows, y, scratch);
        return done;
    } catch (const std::bad_alloc&) {
        return failed;
    }
}
}
