/*
 * A guest's work on an image, through the writer, recorded (io_crash.h): what it wrote and what was
 * flushed (history.h), so that every file a power cut could leave can be judged. Everything here
 * ends the test where it fails; what is wrong with a file that was left is told.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_WRITER_TRIAL_H
#define SUPPORT_WRITER_TRIAL_H

#include "format/qed_recover.h"
#include "format/qed_write.h"
#include "support/history.h"
#include "support/io_crash.h"
#include "support/unit.h"

#define TRIAL_CLUSTER UINT64_C(4096)
#define TRIAL_IN_FLIGHT 4
#define TRIAL_STEPS_MAX 64
#define TRIAL_WHY_MAX 400

enum trial_op {
    TRIAL_WRITE,
    TRIAL_ZERO,
    TRIAL_FLUSH,
    TRIAL_QUIET, /* so many flushes with nothing between them: len */
    TRIAL_WAIT,  /* for all requests */
    TRIAL_CLOSE, /* and open again */
};

struct trial_step {
    enum trial_op op;
    uint64_t virt_off, len;
    bool stays; /* in flight: the next step comes before it is waited for */
};

struct trial_work {
    struct trial_step steps[TRIAL_STEPS_MAX];
    size_t count;
};

/* Which image, and how it is written. */
struct trial_spec {
    enum qed_durability durability;
    bool has_below;
    uint32_t table_size; /* clusters; 0: one */
    uint64_t preallocate;
    uint64_t step;        /* by which the file grows; 0: QED_SPACE_STEP */
    unsigned int without; /* QED_WITHOUT_… */
    uint64_t far_table;   /* the last window is the start of that L1 entry's; 0: 2 */
};

struct trial {
    struct trial_spec spec;
    const struct trial_work *work;
    struct history_window windows[3];
    uint64_t span; /* guest bytes of a table */
    struct io *io, *recorder;
    struct qed_image *image;
    struct qed_writer *writer;
    struct history *history;
    uint64_t leaks; /* clusters, at first */
    struct {
        struct qed_write_request request;
        uint8_t *bytes;
        size_t number; /* in the history */
        bool is_used;
    } slots[TRIAL_IN_FLIGHT];
    unsigned int used;
    /* What was found out of the files that were left: */
    size_t marked, full; /* recoveries */
    size_t recoveries_cut;
    struct io_crash_state state; /* the last that was judged, */
    char why[TRIAL_WHY_MAX];     /* and what is wrong with it */
};

/* An empty image of that kind. */
struct io *trial_image(const struct trial_spec *spec);

/*
 * Do the work, then close, on a copy of start, an image of that kind with at most what earlier
 * trials did to it. The work must outlive the trial.
 */
void trial_begin(struct trial *trial, const struct trial_spec *spec, struct io *start,
                 const struct trial_work *work);
void trial_end(struct trial *trial);

/* Random work for that spec. */
void trial_random_work(struct trial_work *work, const struct trial_spec *spec,
                       struct unit_random *random, size_t steps);

/* The windows of an image of that kind. */
void trial_windows(const struct trial_spec *spec, struct history_window windows[3]);

/* A writer for that spec on an image that needs no check; negative where it is refused. */
int trial_writer(struct qed_writer **writer, struct qed_image *image, const struct trial_spec *spec,
                 struct qed_error *error);

/*
 * The windows' bytes as the guest reads them, what is not allocated from below; returns how many of
 * their clusters are data of the image.
 */
uint64_t trial_read(const struct trial_spec *spec, struct qed_image *image, uint8_t *bytes);

/* How a list of steps reads; the caller frees it. */
char *trial_describe(const struct trial_work *work);

/*
 * Judge a file that was left at a cut which history_look was told, and change it: recover it as the
 * policy promises, check it, read it, write to it. seed chooses what is written, and how much is
 * tried. False, and trial->why is filled in, where something is wrong.
 */
bool trial_judge(struct trial *trial, struct io *left, uint64_t seed);

/*
 * Judge all files that the cuts could leave, at most limit of a cut, until one is wrong; false if
 * one is. Adds to *states how many there were. trial_tell prints what is wrong to stderr.
 */
bool trial_judge_all(struct trial *trial, uint64_t limit, uint64_t *states);
void trial_tell(struct trial *trial);

#endif
