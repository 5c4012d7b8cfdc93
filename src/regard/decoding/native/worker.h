// One worker of a job: it takes sentences from a common queue, writes many of them at once, and when one is done takes
// another in its place.
#pragma once

#include <atomic>
#include <chrono>

#include "ranking.h"
#include "writing.h"

namespace regard {

constexpr int rows_at_once = 160;    // hypotheses: enough for full tiles, few enough for the cache
constexpr int tokens_at_once = 512;  // of sources that are read together
constexpr int readers = 4;           // new sources are read when one in so many places is free

// What is to be translated, and what came of it. Source i begins at starts[i]. No more than `most_tokens` source tokens,
// each counted once for every hypothesis, are worked on at a time.
struct Job {
    const Model& model;
    Settings settings;
    Tables tables;
    int count, workers;
    long most_tokens;
    std::vector<int32_t> ids, places, starts, limits, suppressed, ends;
    std::vector<std::vector<Ended>> results;
    std::atomic<int> taken{0}, done{0};
    std::atomic<bool> numbers{true};

    int length(int i) const { return starts[i + 1] - starts[i]; }
};

class Worker {
  public:
    explicit Worker(Job& job)
        : job_(job), reader_(job.model), writer_(job.model, job.settings.beam), output_(job.model) {}

    // Work for so many seconds; false: there is nothing left to do, or a logit was no number.
    bool work(double seconds) {
        auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        do {
            admit();
            if (active_.empty()) return false;
            step();
            if (!job_.numbers) return false;
        } while (std::chrono::steady_clock::now() < end);
        return true;
    }

  private:
    void admit() {
        int most = std::max(1, rows_at_once / job_.settings.beam);
        while (most - (int)active_.size() >= (most + readers - 1) / readers) {
            size_t before = active_.size();
            int left = job_.count - job_.taken, share = (left + job_.workers - 1) / job_.workers, tokens = 0;
            share = std::min(share, most - (int)before);
            while (share-- > 0 && tokens < tokens_at_once && take()) tokens += active_.back()->length();
            if (active_.size() == before) return;
            reader_.read(active_, before, job_.tables, work_);
        }
    }

    // One sentence more, unless there is none, or no room for it beside the others.
    bool take() {
        long tokens = 0;
        for (auto& one : active_) tokens += one->length();
        int number = job_.taken;
        do {
            if (number >= job_.count) return false;
            long all = (tokens + job_.length(number)) * job_.settings.beam;
            if (!active_.empty() && all > job_.most_tokens) return false;
        } while (!job_.taken.compare_exchange_weak(number, number + 1));
        auto one = std::make_unique<Sentence>(number, job_.limits[number]);
        one->ids.assign(&job_.ids[job_.starts[number]], &job_.ids[job_.starts[number]] + job_.length(number));
        one->places.assign(&job_.places[job_.starts[number]], &job_.places[job_.starts[number]] + job_.length(number));
        active_.push_back(std::move(one));
        return true;
    }

    void step() {
        const float* hidden = writer_.step(active_, job_.tables, work_);
        int rows = writer_.rows();
        own_forbidden_.resize(std::max(own_forbidden_.size(), (size_t)rows));
        forbidden_.clear();
        for (int r = 0; r < rows; r++) {
            const Row& row = writer_.row(r);
            bool own = row.sentence->search.forbidden(job_.settings, row.hypothesis(), own_forbidden_[r]);
            forbidden_.push_back(own ? &own_forbidden_[r] : &job_.suppressed);
        }
        if (!output_.rank(hidden, rows, forbidden_, job_.settings, rankings_, work_)) job_.numbers = false;
        size_t kept = 0;
        for (size_t s = 0, r = 0; s < active_.size(); s++) {
            Search& search = active_[s]->search;
            size_t own = search.live.size();
            if (search.advance(job_.settings, &rankings_[r])) finish(*active_[s]);
            else std::swap(active_[kept++], active_[s]);
            r += own;
        }
        active_.resize(kept);
    }

    void finish(Sentence& sentence) {
        auto& ended = sentence.search.ended;
        ended.resize(std::min(ended.size(), (size_t)job_.settings.n_best));
        job_.results[sentence.number] = std::move(ended);
        writer_.forget(sentence);
        job_.done++;
    }

    Job& job_;
    Reader reader_;
    Writer writer_;
    OutputLayer output_;
    Workspace work_;
    Sentences active_;
    std::vector<Ranking> rankings_;
    std::vector<std::vector<int32_t>> own_forbidden_;
    std::vector<const std::vector<int32_t>*> forbidden_;
};

}  // namespace regard
