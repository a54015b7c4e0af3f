/*
 * Write beside and rename.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_file.h"

struct io_replace {
    struct io *io;
    char *path;   /* where the file is to stand */
    char *beside; /* where it is until then; NULL when it is not there */
};

/* The path that opening path for writing would write to; the caller frees it. */
static char *resolve_target(const char *path)
{
    char *resolved = realpath(path, NULL);

    if (resolved || errno != ENOENT)
        return resolved;
    return strdup(path); /* a new file; a dangling link is replaced by the file */
}

static char *temporary_name(const char *path)
{
    char *folder = io_file_folder(path);
    char *name = NULL;

    if (folder && asprintf(&name, "%s.%.200s.XXXXXX", folder, path + strlen(folder)) < 0)
        name = NULL;
    free(folder);
    return name;
}

static mode_t default_mode(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

/* Give the new file the owner and mode of the one it replaces, as far as we may. */
static int copy_owner_and_mode(int fd, const char *path, struct qed_error *error)
{
    struct stat st;
    mode_t mode;

    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return qed_fail(error, QED_ERR_NOT_FILE, "'%s' is not a regular file", path);
        if (access(path, W_OK) < 0)
            return qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not open '%s'", path);
        mode = st.st_mode & 07777;
        if (fchown(fd, st.st_uid, st.st_gid) < 0)
            mode &= 0777; /* not ours to give: then no set-id bits either */
    } else {
        mode = default_mode();
    }
    if (fchmod(fd, mode) < 0)
        return qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not create '%s'", path);
    return QED_OK;
}

int io_replace_begin(struct io_replace **out, const char *path, struct io **io,
                     struct qed_error *error)
{
    struct io_replace *replace = calloc(1, sizeof(*replace));
    int fd = -1;
    int ret = QED_ERR_NO_MEMORY;

    if (replace)
        replace->path = resolve_target(path);
    if (replace && replace->path)
        replace->beside = temporary_name(replace->path);
    if (!replace || !replace->path || !replace->beside) {
        ret = qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not create '%s'", path);
        goto out;
    }
    fd = mkostemp(replace->beside, O_CLOEXEC);
    if (fd < 0) {
        ret = qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not create '%s'", path);
        free(replace->beside);
        replace->beside = NULL;
        goto out;
    }
    ret = copy_owner_and_mode(fd, replace->path, error);
    if (ret < 0)
        goto out;
    ret = io_file_adopt(&replace->io, fd, false, error);
    fd = -1;
    if (ret < 0)
        goto out;
    *io = replace->io;
    *out = replace;
    replace = NULL;
out:
    if (fd >= 0)
        close(fd);
    io_replace_end(replace);
    return ret;
}

/* After this a power cut cannot bring the old name back; a folder we may not open is left alone. */
static int flush_folder(const char *path, struct qed_error *error)
{
    char *folder = io_file_folder(path);
    int fd, ret = QED_OK;

    if (!folder)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fsync(fd) < 0 && errno != EINVAL)
        ret = qed_fail_errno(error, QED_ERR_IO, errno, "cannot flush the folder of '%s'", path);
    if (fd >= 0)
        close(fd);
    free(folder);
    return ret;
}

int io_replace_publish(struct io_replace *replace, struct qed_error *error)
{
    int ret = io_flush(replace->io, error);

    if (ret < 0)
        return ret;
    if (rename(replace->beside, replace->path) < 0)
        return qed_fail_errno(error, QED_ERR_IO, errno, "Could not create '%s'", replace->path);
    free(replace->beside);
    replace->beside = NULL;
    return flush_folder(replace->path, error);
}

void io_replace_end(struct io_replace *replace)
{
    if (!replace)
        return;
    io_close(replace->io);
    if (replace->beside)
        unlink(replace->beside);
    free(replace->beside);
    free(replace->path);
    free(replace);
}
