// SPDX-License-Identifier: Apache-2.0
// Local search for the facility location problem, step for step as in local_search.py, which says
// what it does and why. Integers only, so that both give the same choice.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MOST_WORDS 8

typedef struct {
    uint64_t words[MOST_WORDS];
} set_t;

typedef struct {
    int64_t value, column, option;
} entry_t;

typedef struct {
    int64_t layers, routines, words, most_members, infinite;
    const int64_t *start;
    entry_t *entries;
    set_t *needs, *reach;
    int64_t *sizes;
} search_t;

// A set of open routines, and what follows from it. lost: by routine, what layers lose without it;
// own, count, member, loss: each layer's part of that, of `most_members` at most.
typedef struct {
    set_t opened;
    int64_t value;
    int64_t *lost, *own, *count, *member, *loss;
} state_t;

static int inside(const search_t *s, const set_t *part, const set_t *whole)
{
    for (int64_t w = 0; w < s->words; w++)
        if (part->words[w] & ~whole->words[w])
            return 0;
    return 1;
}

static int meets(const search_t *s, const set_t *one, const set_t *other)
{
    for (int64_t w = 0; w < s->words; w++)
        if (one->words[w] & other->words[w])
            return 1;
    return 0;
}

static int holds(const set_t *set, int64_t i)
{
    return (int)(set->words[i / 64] >> (i % 64) & 1);
}

// The first entry of a layer from `at` on that does with what is open, or that layer's end.
static int64_t usable(const search_t *s, int64_t layer, int64_t at, const set_t *opened)
{
    while (at < s->start[layer + 1] && !inside(s, &s->needs[s->entries[at].column], opened))
        at++;
    return at;
}

// Takes a layer's part out of a state, and puts in what it is with the routines open now.
static void renew(const search_t *s, state_t *t, int64_t l)
{
    const int64_t end = s->start[l + 1];
    int64_t *const member = t->member + l * s->most_members;
    int64_t *const loss = t->loss + l * s->most_members;
    for (int64_t k = 0; k < t->count[l]; k++)
        t->lost[member[k]] -= loss[k];
    t->value -= t->own[l];
    const int64_t best = usable(s, l, s->start[l], &t->opened);
    t->count[l] = 0;
    t->own[l] = best < end ? s->entries[best].value : s->infinite;
    t->value += t->own[l];
    if (best == end)
        return;
    const set_t *const needs = &s->needs[s->entries[best].column];
    for (int64_t w = 0; w < s->words; w++) {
        uint64_t left = needs->words[w];
        while (left) {
            const int64_t r = 64 * w + __builtin_ctzll(left);
            left &= left - 1;
            int64_t other = usable(s, l, best + 1, &t->opened);
            while (other < end && holds(&s->needs[s->entries[other].column], r))
                other = usable(s, l, other + 1, &t->opened);
            const int64_t k = t->count[l]++;
            member[k] = r;
            loss[k] = (other < end ? s->entries[other].value : s->infinite) - t->own[l];
            t->lost[r] += loss[k];
        }
    }
}

// Opens or closes routines: only layers that could use them need another look.
static void change(const search_t *s, state_t *t, const set_t *which, int opens)
{
    for (int64_t w = 0; w < s->words; w++) {
        uint64_t left = which->words[w];
        while (left) {
            const int64_t r = 64 * w + __builtin_ctzll(left);
            left &= left - 1;
            t->value += opens ? s->sizes[r] : -s->sizes[r];
            t->opened.words[w] ^= UINT64_C(1) << (r % 64);
        }
    }
    for (int64_t l = 0; l < s->layers; l++)
        if (meets(s, &s->reach[l], which))
            renew(s, t, l);
}

static void copy(const search_t *s, state_t *to, const state_t *from)
{
    const size_t layers = (size_t)s->layers * sizeof *to->own;
    to->opened = from->opened;
    to->value = from->value;
    memcpy(to->lost, from->lost, (size_t)s->routines * sizeof *to->lost);
    memcpy(to->own, from->own, layers);
    memcpy(to->count, from->count, layers);
    memcpy(to->member, from->member, layers * (size_t)s->most_members);
    memcpy(to->loss, from->loss, layers * (size_t)s->most_members);
}

// Closes routines that aren't in `keep`, the one that helps most first.
static void close_some(const search_t *s, state_t *t, const set_t *keep)
{
    for (;;) {
        int64_t least = INT64_MAX, first = -1;
        for (int64_t r = 0; r < s->routines; r++) {
            if (!holds(&t->opened, r) || (keep && holds(keep, r)))
                continue;
            const int64_t without = t->value + t->lost[r] - s->sizes[r];
            if (without < least) {
                least = without;
                first = r;
            }
        }
        if (first < 0 || least >= t->value)
            return;
        set_t which;
        memset(&which, 0, sizeof which);
        which.words[first / 64] = UINT64_C(1) << (first % 64);
        change(s, t, &which, 0);
    }
}

static int state(const search_t *s, state_t *t)
{
    const size_t layers = (size_t)s->layers + 1;
    memset(t, 0, sizeof *t);
    t->lost = calloc((size_t)s->routines + 1, sizeof *t->lost);
    t->own = calloc(layers, sizeof *t->own);
    t->count = calloc(layers, sizeof *t->count);
    t->member = calloc(layers * (size_t)s->most_members, sizeof *t->member);
    t->loss = calloc(layers * (size_t)s->most_members, sizeof *t->loss);
    return t->lost && t->own && t->count && t->member && t->loss;
}

static void release(state_t *t)
{
    free(t->lost);
    free(t->own);
    free(t->count);
    free(t->member);
    free(t->loss);
}

static int by_value(const void *one, const void *other)
{
    const entry_t *const a = one, *const b = other;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return a->option < b->option ? -1 : a->option > b->option;
}

// times: how many layers each one stands for. start: [layers + 1] into values and column_of;
// column_start: [columns + 1] into members, the routines of each column. taken: [layers], options.
// Non-zero where memory is short or there are too many routines.
EXPORT int local_search(int64_t layers, int64_t routines, int64_t columns, int64_t infinite,
    const int64_t *times, const int64_t *start, const int64_t *values, const int64_t *column_of,
    const int64_t *column_start, const int64_t *members, const int64_t *sizes,
    const int64_t *shares, int64_t *taken)
{
    search_t s = {layers, routines, (routines + 63) / 64, 1, infinite, start, 0, 0, 0, 0};
    state_t now, tried, better;
    const int64_t count = start[layers];
    if (s.words > MOST_WORDS)
        return 1;
    for (int64_t c = 0; c < columns; c++)
        if (column_start[c + 1] - column_start[c] > s.most_members)
            s.most_members = column_start[c + 1] - column_start[c];
    s.entries = malloc((size_t)(count + 1) * sizeof *s.entries);
    s.needs = calloc((size_t)columns + 1, sizeof *s.needs);
    s.reach = calloc((size_t)layers + 1, sizeof *s.reach);
    s.sizes = malloc((size_t)(routines + 1) * sizeof *s.sizes);
    int made = state(&s, &now);
    made &= state(&s, &tried);
    made &= state(&s, &better);
    made = made && s.entries && s.needs && s.reach && s.sizes;
    if (made) {
        memcpy(s.sizes, sizes, (size_t)routines * sizeof *sizes);
        for (int64_t c = 0; c < columns; c++)
            for (int64_t m = column_start[c]; m < column_start[c + 1]; m++)
                s.needs[c].words[members[m] / 64] |= UINT64_C(1) << (members[m] % 64);
        set_t opened;
        memset(&opened, 0, sizeof opened);
        for (int64_t l = 0; l < layers; l++) {
            int64_t least = INT64_MAX, first = -1;
            for (int64_t e = start[l]; e < start[l + 1]; e++) {
                const int64_t shared = values[e] + times[l] * shares[column_of[e]];
                s.entries[e] = (entry_t){values[e], column_of[e], e - start[l]};
                for (int64_t w = 0; w < s.words; w++)
                    s.reach[l].words[w] |= s.needs[column_of[e]].words[w];
                if (shared < least || (shared == least && column_of[e] < first)) {
                    least = shared;
                    first = column_of[e];
                }
            }
            for (int64_t w = 0; w < s.words; w++)
                opened.words[w] |= s.needs[first].words[w];
            qsort(&s.entries[start[l]], (size_t)(start[l + 1] - start[l]), sizeof *s.entries,
                by_value);
        }
        change(&s, &now, &opened, 1);
        for (int64_t l = 0; l < layers; l++)
            renew(&s, &now, l);
        close_some(&s, &now, NULL);
        for (;;) {
            int64_t least = INT64_MAX;
            for (int64_t c = 0; c < columns; c++) {
                const set_t *const row = &s.needs[c];
                if (inside(&s, row, &now.opened))
                    continue;
                set_t missing;
                for (int64_t w = 0; w < s.words; w++)
                    missing.words[w] = row->words[w] & ~now.opened.words[w];
                copy(&s, &tried, &now);
                change(&s, &tried, &missing, 1);
                close_some(&s, &tried, row);
                close_some(&s, &tried, NULL);
                if (tried.value < least) {
                    least = tried.value;
                    copy(&s, &better, &tried);
                }
            }
            if (least >= now.value)
                break;
            copy(&s, &now, &better);
        }
        for (int64_t l = 0; l < layers; l++)
            taken[l] = s.entries[usable(&s, l, start[l], &now.opened)].option;
    }
    release(&now);
    release(&tried);
    release(&better);
    free(s.entries);
    free(s.needs);
    free(s.reach);
    free(s.sizes);
    return !made;
}
