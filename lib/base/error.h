/*
 * Errors of the library: one enum of codes, one table of their names, one struct with the details.
 *
 * Functions return 0 or one of the negative codes. The sentence for the user goes to a
 * struct qed_error that the caller owns; NULL is accepted wherever one is taken.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdint.h>

enum qed_code {
    QED_OK = 0,
    QED_ERR_NO_MEMORY = -1,
    QED_ERR_IO = -2,          /* a system call failed; errno is in the error */
    QED_ERR_SHORT_READ = -3,  /* the file ended before the range did */
    QED_ERR_OPEN = -4,        /* a file could not be opened; errno may be in the error */
    QED_ERR_NOT_FILE = -5,    /* not a kind of file that holds an image */
    QED_ERR_FORMAT = -6,      /* not an image of the format that was asked for */
    QED_ERR_HEADER = -7,      /* a header field is invalid */
    QED_ERR_UNSUPPORTED = -8, /* valid, but needs what this program does not do */
    QED_ERR_CORRUPT = -9,     /* a table entry, or compressed data, is invalid */
    QED_ERR_BACKING = -10,    /* the backing chain cannot be opened or is refused */
    QED_ERR_INVALID = -11,    /* an argument of the caller is out of range */
    QED_ERR_NO_SPACE = -12,   /* the target cannot hold the data */
    QED_ERR_SAME_FILE = -13,  /* source and target are one file */
    QED_ERR_STOPPED = -14,    /* the caller asked to stop */
    QED_ERR_LOOP = -15,       /* an image is its own backing file, directly or not */
    QED_ERR_CHANGED = -16,    /* the file was changed by somebody else meanwhile */
    QED_ERR_IN_USE = -17,     /* another process has it open in a way that forbids ours */
    QED_ERR_PIPE = -18,       /* the other end of the output has been closed */
};

/* One more than the number of error codes; codes run from 0 down to -(QED_CODE_COUNT - 1). */
#define QED_CODE_COUNT 19

struct qed_error {
    int code;          /* enum qed_code */
    int sys_errno;     /* errno of the failed system call, 0 if there was none */
    uint64_t file_off; /* where in the file, in bytes; UINT64_MAX if nowhere in particular */
    char text[1024];   /* one sentence, no newline, control bytes escaped */
    char hint[128];      /* a second line to go with it, "" for none */
};

#define QED_ERROR_INIT {.code = QED_OK, .file_off = UINT64_MAX}

/* A short permanent name of a code, such as "short-read"; "unknown" for anything else. */
const char *qed_code_name(int code);

/*
 * Fill in error (may be NULL) and return code, so that `return qed_fail(…)` reads well. Bytes
 * below 0x20 and 0x7f are escaped as \xNN: names in messages come from images.
 */
int qed_fail(struct qed_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: sys_errno is kept and ": strerror" is appended. */
int qed_fail_errno(struct qed_error *error, int code, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Put a prefix before the text of an error that is passed up; returns error->code. */
int qed_fail_prefix(struct qed_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Give an error, already filled in, a second line. */
void qed_fail_hint(struct qed_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
