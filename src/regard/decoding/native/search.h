// The searches of beam.py, greedy.py and their neighbours, for one sentence at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace regard {

// DecodingSettings, as far as they are known here. `slots`: ended hypotheses that are kept. `free`: a forced token costs
// nothing. `forced_first`: −1 for none. Ids in `suppressed` rise.
struct Settings {
    int32_t beam, slots, n_best, greedy, exact, free, min_length, no_repeat, forced_first;
    int32_t ends_count, suppressed_count;
    double alpha, offset;
    const int32_t *ends, *suppressed;

    double penalty(int length) const { return std::pow((offset + length) / (offset + 1), alpha); }
    int candidates() const { return greedy ? 1 : (1 + ends_count) * beam; }
    bool is_end(int token) const { return std::find(ends, ends + ends_count, token) != ends + ends_count; }
};

struct Choice {
    int32_t token;
    double log;
};

// What the model says of a row's next token: the best of those that are not forbidden, and two that may be forced.
struct Ranking {
    std::vector<Choice> best;
    double end = 0, first = 0;
};

// An unfinished hypothesis. `slots`: at each place, which of the rows of that step it went through.
struct Live {
    std::vector<int32_t> tokens;
    std::vector<double> logs;
    std::vector<uint16_t> slots;
    double total = 0;
};

struct Ended {
    std::vector<int32_t> tokens;
    std::vector<double> logs;
    double total, score;
};

class Search {
  public:
    explicit Search(int limit) : live(1), limit_(limit) {}

    // Ids that row i may not be given next, in rising order, into `found`; false: only those that are always suppressed.
    bool forbidden(const Settings& settings, const Live& one, std::vector<int32_t>& found) const {
        int length = (int)one.tokens.size() + 1;
        bool too_short = length <= settings.min_length;
        if (!too_short && !settings.no_repeat) return false;
        found.clear();
        if (settings.no_repeat) repeats(settings, one.tokens, found);
        found.insert(found.end(), settings.suppressed, settings.suppressed + settings.suppressed_count);
        if (too_short) found.insert(found.end(), settings.ends, settings.ends + settings.ends_count);
        std::sort(found.begin(), found.end());
        return true;
    }

    // One token more, given the ranking of each live hypothesis; whether the sentence is done.
    bool advance(const Settings& settings, const Ranking* rankings) {
        int length = (int)live[0].tokens.size() + 1;
        candidates_.clear();
        for (int parent = 0; parent < (int)live.size(); parent++)
            for (const Choice& choice : allowed(settings, rankings[parent], length))
                candidates_.push_back({live[parent].total + choice.log, parent, choice});
        // stable: equal totals stay in the order of their parents, and of the ranking of each
        std::stable_sort(candidates_.begin(), candidates_.end(),
                         [](const Candidate& one, const Candidate& other) { return one.total > other.total; });
        if ((int)candidates_.size() > settings.candidates()) candidates_.resize(settings.candidates());
        end_some(settings, length);
        grow(settings);
        if (settings.greedy) return live.empty();
        if (live.empty() || limit_ <= length) return true;
        double worst = (int)ended.size() < settings.slots ? -HUGE_VAL : ended.back().score;
        return live[0].total / settings.penalty(settings.exact ? limit_ : length) <= worst;
    }

    std::vector<Live> live;    // best first; never empty while the search goes on
    std::vector<Ended> ended;  // best first

  private:
    struct Candidate {
        double total;
        int parent;
        Choice choice;
    };

    const std::vector<Choice>& allowed(const Settings& settings, const Ranking& ranking, int length) {
        Choice end{settings.ends[0], ranking.end}, first{settings.forced_first, ranking.first};
        if (limit_ <= length) return only({end.token, settings.free ? 0.0 : end.log});
        if (length == 1 && first.token >= 0) return only({first.token, settings.free ? 0.0 : first.log});
        return ranking.best.empty() ? only(end) : ranking.best;
    }

    const std::vector<Choice>& only(Choice choice) {
        only_.assign(1, choice);
        return only_;
    }

    // Those that end and rank among the first k; at equal score the older one stays first.
    void end_some(const Settings& settings, int length) {
        double penalty = settings.penalty(length);
        for (int i = 0; i < std::min((int)candidates_.size(), (int)settings.beam); i++) {
            const Candidate& one = candidates_[i];
            if (!settings.is_end(one.choice.token)) continue;
            double score = one.total / penalty;
            auto place = std::find_if(ended.begin(), ended.end(), [&](const Ended& e) { return e.score < score; });
            Ended found{live[one.parent].tokens, live[one.parent].logs, one.total, score};
            found.tokens.push_back(one.choice.token);
            found.logs.push_back(one.choice.log);
            ended.insert(place, std::move(found));
            if ((int)ended.size() > settings.slots) ended.pop_back();
        }
    }

    // The first k that do not end live on.
    void grow(const Settings& settings) {
        std::vector<Live> grown;
        for (const Candidate& one : candidates_) {
            if ((int)grown.size() == settings.beam) break;
            if (settings.is_end(one.choice.token)) continue;
            Live next = live[one.parent];
            next.tokens.push_back(one.choice.token);
            next.logs.push_back(one.choice.log);
            next.slots.push_back((uint16_t)one.parent);
            next.total = one.total;
            grown.push_back(std::move(next));
        }
        live = std::move(grown);
    }

    // Tokens that would complete an n-gram that is already there; to end is not to repeat.
    static void repeats(const Settings& settings, const std::vector<int32_t>& written, std::vector<int32_t>& found) {
        int opening = settings.no_repeat - 1, count = (int)written.size();
        for (int i = 0; i + opening < count; i++)
            if (std::equal(written.begin() + i, written.begin() + i + opening, written.end() - opening) &&
                !settings.is_end(written[i + opening]))
                found.push_back(written[i + opening]);
    }

    int limit_;
    std::vector<Candidate> candidates_;
    std::vector<Choice> only_;
};

}  // namespace regard
