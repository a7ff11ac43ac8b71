// SPDX-License-Identifier: Apache-2.0
// The greedy placements and the lower bound, as in greedy.py and bound.py, which say what they are
// and why. Integers only, so that both give the same offsets.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define APART (-1)
#define ORDERS 6
#define TRIED_IN_FULL 6

typedef struct {
    int64_t count, steps;
    const int64_t *size, *first, *last, *alignment;
    int64_t *above; // [i * count + j], APART where i and j never meet
    char *partner;
    int64_t *live, *section;
} table_t;

typedef struct {
    int64_t key[2], index;
} rank_t;

typedef struct {
    int64_t low, high;
} wall_t;

static int64_t align_up(int64_t value, int64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t above(const table_t *t, int64_t i, int64_t j)
{
    return t->above[i * t->count + j];
}

static int partners(const table_t *t, int64_t i, int64_t j)
{
    return t->partner[i * t->count + j];
}

typedef struct {
    const table_t *t;
    int64_t count, grain, best;
    int64_t member[TRIED_IN_FULL], size[TRIED_IN_FULL], offset[TRIED_IN_FULL];
    int placed[TRIED_IN_FULL];
} stack_t_;

static void extend(stack_t_ *s, int64_t placed, int64_t floor, int64_t top)
{
    if (top >= s->best)
        return;
    if (placed == s->count) {
        s->best = top;
        return;
    }
    for (int64_t i = 0; i < s->count; i++) {
        if (s->placed[i])
            continue;
        int64_t low = floor, joined = floor;
        for (int64_t j = 0; j < s->count; j++) {
            if (!s->placed[j])
                continue;
            const int64_t distance = most(0, above(s->t, s->member[j], s->member[i]));
            const int64_t from = align_up(s->offset[j] + distance, s->grain);
            low = most(low, from);
            if (s->offset[j] != floor || !partners(s->t, s->member[j], s->member[i]))
                joined = most(joined, from);
        }
        s->placed[i] = 1;
        s->offset[i] = low;
        extend(s, placed + 1, low, most(top, low + s->size[i]));
        if (joined == floor && floor < low) {
            s->offset[i] = floor;
            extend(s, placed + 1, floor, most(top, floor + s->size[i]));
        }
        s->placed[i] = 0;
    }
}

static int64_t advance(const table_t *t, const int64_t *section, int64_t count, int64_t i)
{
    int64_t result = t->size[i];
    for (int64_t q = 0; q < count; q++) {
        const int64_t j = section[q];
        if (j == i)
            continue;
        if (partners(t, i, j)) {
            if (t->size[j] > t->size[i] || (t->size[j] == t->size[i] && j > i))
                return 0;
            continue;
        }
        result = least(result, most(0, above(t, i, j)));
    }
    return result;
}

static int64_t section_height(const table_t *t, const int64_t *section, int64_t count, int64_t *special)
{
    int64_t grain = INT64_MAX, slack = 0, height = 0, widest = 0, specials = 0, all = 0;
    for (int64_t q = 0; q < count; q++)
        grain = least(grain, t->alignment[section[q]]);
    for (int64_t q = 0; q < count; q++) {
        const int64_t i = section[q], size = t->size[i], whole = align_up(size, grain);
        int free = 0;
        slack = most(slack, whole - size);
        widest = most(widest, size);
        for (int64_t p = 0; p < count && !free; p++) {
            const int64_t j = section[p];
            free = j != i
                && (most(0, above(t, i, j)) < size || most(0, above(t, j, i)) < t->size[j]
                    || partners(t, i, j));
        }
        if (free) {
            special[specials++] = i;
            all += whole;
        } else {
            height += whole;
        }
    }
    height -= slack;
    if (specials > TRIED_IN_FULL) {
        int64_t rest = INT64_MAX, sum = 0, greatest = 0;
        for (int64_t q = 0; q < specials; q++) {
            const int64_t whole = align_up(t->size[special[q]], grain);
            const int64_t own = advance(t, special, specials, special[q]);
            rest = least(rest, whole - own);
            sum += own;
            greatest = most(greatest, whole);
        }
        height += most(greatest, sum + rest);
    } else if (specials) {
        stack_t_ s = {t, specials, grain, all, {0}, {0}, {0}, {0}};
        for (int64_t q = 0; q < specials; q++) {
            s.member[q] = special[q];
            s.size[q] = align_up(t->size[special[q]], grain);
        }
        extend(&s, 0, 0, 0);
        height += s.best;
    }
    return most(height, widest);
}

static int64_t bound_of(const table_t *t)
{
    int64_t bound = 0;
    for (int64_t step = 0; step < t->steps; step++) {
        int64_t count = 0, ends = INT64_MAX, following = INT64_MAX;
        int begins = 0;
        for (int64_t i = 0; i < t->count; i++) {
            if (t->first[i] <= step && step <= t->last[i]) {
                t->section[count++] = i;
                ends = least(ends, t->last[i]);
            }
            begins |= t->first[i] == step;
            if (t->first[i] > step)
                following = least(following, t->first[i]);
        }
        // A set is complete if something begins here, and something ends before more begins.
        if (begins && (following == INT64_MAX || ends < following))
            bound = most(bound, section_height(t, t->section, count, t->section + t->count));
    }
    return bound;
}

static int by_rank(const void *one, const void *other)
{
    const rank_t *const a = one, *const b = other;
    for (int k = 0; k < 2; k++)
        if (a->key[k] != b->key[k])
            return a->key[k] > b->key[k] ? -1 : 1;
    return a->index > b->index ? -1 : a->index < b->index;
}

static int by_wall(const void *one, const void *other)
{
    const wall_t *const a = one, *const b = other;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return a->high < b->high ? -1 : a->high > b->high;
}

static void rank(const table_t *t, int order, int64_t i, int64_t key[2])
{
    const int64_t life = t->last[i] - t->first[i];
    key[1] = t->size[i];
    key[0] = 0;
    switch (order) {
    case 0:
        key[0] = t->size[i];
        key[1] = life;
        break;
    case 1:
        for (int64_t j = 0; j < t->count; j++)
            if (t->first[j] <= t->last[i] && t->first[i] <= t->last[j])
                key[0] += t->size[j];
        break;
    case 2:
        for (int64_t step = t->first[i]; step <= t->last[i]; step++)
            key[0] = most(key[0], t->live[step]);
        break;
    case 3:
        key[0] = t->size[i] * (life + 1);
        break;
    case 4:
        key[0] = life;
        break;
    default:
        key[0] = -t->first[i];
    }
}

static int64_t fit(const table_t *t, const rank_t *ranks, wall_t *walls, int64_t *offsets)
{
    int64_t end = 0;
    for (int64_t i = 0; i < t->count; i++)
        offsets[i] = APART;
    for (int64_t q = 0; q < t->count; q++) {
        const int64_t i = ranks[q].index;
        int64_t count = 0, place = 0;
        for (int64_t j = 0; j < t->count; j++) {
            const int64_t offset = offsets[j], below = above(t, i, j);
            if (offset < 0 || below == APART)
                continue;
            const int64_t over = above(t, j, i);
            if (partners(t, i, j)) {
                walls[count++] = (wall_t){offset - below, offset};
                walls[count++] = (wall_t){offset, offset + over};
            } else {
                walls[count++] = (wall_t){offset - below, offset + over};
            }
        }
        qsort(walls, (size_t)count, sizeof *walls, by_wall);
        for (int64_t w = 0; w < count; w++)
            if (walls[w].low < place && place < walls[w].high)
                place = align_up(walls[w].high, t->alignment[i]);
        offsets[i] = place;
        end = most(end, place + t->size[i]);
    }
    return end;
}

// Buffers in the order of `place`. leads: triples of lower buffer, upper one, and the bytes by which
// that begins later; together: pairs. best: which greedy placement, and its offsets, or no placement
// is made where that is NULL. Gives the lower bound, negative where memory is short.
EXPORT int64_t greedy(int64_t count, int64_t steps, const int64_t *size, const int64_t *first,
    const int64_t *last, const int64_t *alignment, int64_t lead_count, const int64_t *leads,
    int64_t together_count, const int64_t *together, int64_t *best, int64_t *offsets)
{
    table_t t = {count, steps, size, first, last, alignment, 0, 0, 0, 0};
    const size_t n = (size_t)count;
    int64_t bound = -1, *const tried = malloc((n + 1) * sizeof *tried);
    rank_t *const ranks = malloc((n + 1) * sizeof *ranks);
    wall_t *const walls = malloc((2 * n + 1) * sizeof *walls);
    t.above = malloc((n * n + 1) * sizeof *t.above);
    t.partner = calloc(n * n + 1, 1);
    t.live = calloc((size_t)steps + 1, sizeof *t.live);
    t.section = malloc((2 * n + 1) * sizeof *t.section);
    if (tried && ranks && walls && t.above && t.partner && t.live && t.section) {
        for (int64_t i = 0; i < count; i++) {
            for (int64_t step = first[i]; step <= last[i]; step++)
                t.live[step] += size[i];
            for (int64_t j = 0; j < count; j++) {
                const int meet = i != j && first[i] <= last[j] && first[j] <= last[i];
                t.above[i * count + j] = meet ? size[i] : APART;
            }
        }
        for (int64_t k = 0; k < lead_count; k++) {
            const int64_t i = leads[3 * k], j = leads[3 * k + 1];
            if (t.above[i * count + j] != APART)
                t.above[i * count + j] = least(leads[3 * k + 2], size[i]);
        }
        for (int64_t k = 0; k < together_count; k++) {
            const int64_t i = together[2 * k], j = together[2 * k + 1];
            if (t.above[i * count + j] != APART)
                t.partner[i * count + j] = 1;
        }
        bound = bound_of(&t);
        int64_t smallest = INT64_MAX;
        for (int order = 0; best && order < ORDERS; order++) {
            for (int64_t i = 0; i < count; i++) {
                rank(&t, order, i, ranks[i].key);
                ranks[i].index = i;
            }
            qsort(ranks, n, sizeof *ranks, by_rank);
            const int64_t end = fit(&t, ranks, walls, tried);
            if (end < smallest) {
                smallest = end;
                *best = order;
                memcpy(offsets, tried, n * sizeof *tried);
            }
            // What comes after can't be better, and of equals the first is taken.
            if (end == bound)
                break;
        }
    }
    free(tried);
    free(ranks);
    free(walls);
    free(t.above);
    free(t.partner);
    free(t.live);
    free(t.section);
    return bound;
}
