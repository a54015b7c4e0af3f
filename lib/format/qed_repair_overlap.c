/*
 * Tables that lie on the L1 table, or on each other without being the same: the best one stays, and
 * whatever it does not overlap.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_repair_state.h"

/* The tables of a list at one place; it overlaps another place. */
struct place {
    size_t first, end;
    uint64_t file_off, l1_index; /* of the first */
    struct table_look look;
    struct place *above, *below; /* its neighbours in the file among such places */
    bool dropped;
};

struct places {
    struct place *places;
    size_t count;
};

static bool overlap(const struct qed_geometry *g, uint64_t a, uint64_t b)
{
    return a < b + g->table_bytes && b < a + g->table_bytes;
}

/*
 * How many more entries make sense than make none. Past the end of the file is where a crash, or a
 * file that was cut, leaves entries of good tables.
 */
static int64_t score(const struct table_look *look)
{
    return (int64_t)repair_look_good(look) - (int64_t)(look->misaligned - look->mendable);
}

/* Better ones first; of equal ones the first in the L1. */
static int by_merit(const void *a, const void *b)
{
    const struct place *x = *(struct place *const *)a, *y = *(struct place *const *)b;
    bool x_nonsense = repair_look_is_nonsense(&x->look);
    bool y_nonsense = repair_look_is_nonsense(&y->look);

    if (x_nonsense != y_nonsense)
        return x_nonsense ? 1 : -1;
    if (score(&x->look) != score(&y->look))
        return score(&x->look) > score(&y->look) ? -1 : 1;
    return (x->l1_index > y->l1_index) - (x->l1_index < y->l1_index);
}

/* Look at the place from index first of the list on and add it. */
static int add_place(struct repair *repair, struct places *places,
                     const struct qed_scan_list *list, size_t first, struct qed_error *error)
{
    struct place *place = &places->places[places->count];
    const struct qed_scan_table *table = &list->tables[first];

    *place = (struct place){.first = first,
                            .end = repair_place_end(list, first),
                            .file_off = table->file_off,
                            .l1_index = table->l1_index};
    if (places->count > 0) {
        place->below = place - 1;
        place->below->above = place;
    }
    places->count++;
    return repair_look(repair, table->file_off, &place->look, error);
}

/* List the places that overlap another one; what lies on the L1 table is given up. */
static int list_places(struct repair *repair, const struct qed_scan_list *list,
                       struct places *places, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    uint64_t last = UINT64_MAX; /* where the place before is; UINT64_MAX: none */
    size_t next;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < list->count; i = next) {
        uint64_t file_off = list->tables[i].file_off;

        next = repair_place_end(list, i);
        if (overlap(g, file_off, g->l1_table_offset)) {
            ret = repair_drop_place(repair, list, i, next, PROBLEM_L1_ON_L1, error);
            continue;
        }
        if ((last != UINT64_MAX && overlap(g, last, file_off)) ||
            (next < list->count && overlap(g, file_off, list->tables[next].file_off)))
            ret = add_place(repair, places, list, i, error);
        last = file_off;
    }
    return ret;
}

/* Give up the places on one side of a place that overlap it. */
static int drop_side(struct repair *repair, const struct qed_scan_list *list,
                     const struct place *place, bool above, struct qed_error *error)
{
    struct place *other = above ? place->above : place->below;
    int ret = QED_OK;

    while (ret == QED_OK && other && overlap(repair->geometry, place->file_off, other->file_off)) {
        if (!other->dropped)
            ret = repair_drop_place(repair, list, other->first, other->end, PROBLEM_L1_OVERLAP,
                                    error);
        other->dropped = true;
        other = above ? other->above : other->below;
    }
    return ret;
}

static int resolve(struct repair *repair, const struct qed_scan_list *list, struct places *places,
                   struct qed_error *error)
{
    struct place **order = malloc((places->count ? places->count : 1) * sizeof(struct place *));
    int ret = QED_OK;

    if (!order)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < places->count; i++)
        order[i] = &places->places[i];
    qsort(order, places->count, sizeof(struct place *), by_merit);
    for (size_t i = 0; ret == QED_OK && i < places->count; i++) {
        if (order[i]->dropped)
            continue;
        ret = drop_side(repair, list, order[i], false, error);
        if (ret == QED_OK)
            ret = drop_side(repair, list, order[i], true, error);
    }
    free(order);
    return ret;
}

int repair_overlaps(struct repair *repair, const struct qed_scan_list *list,
                    struct qed_error *error)
{
    struct places places = {.places = calloc(list->count ? list->count : 1, sizeof(struct place))};
    int ret;

    if (!places.places)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = list_places(repair, list, &places, error);
    if (ret == QED_OK)
        ret = resolve(repair, list, &places, error);
    free(places.places);
    return ret;
}
