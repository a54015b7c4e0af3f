/*
 * Formats by name and by magic.
 * SPDX-License-Identifier: MIT
 */
#include "format/probe.h"

#include <stddef.h>
#include <string.h>

static const struct format_driver *const drivers[] = {&qed_driver, &raw_driver};

static const struct {
    const char *format;
    uint32_t file_off;
    uint32_t len;
    const char *magic;
} foreign_formats[] = {
    {"qcow2", 0, 4, "QFI\xfb"},          {"vmdk", 0, 4, "KDMV"},
    {"vmdk", 0, 4, "COWD"},             {"vpc", 0, 8, "conectix"},
    {"vhdx", 0, 8, "vhdxfile"},         {"luks", 0, 6, "LUKS\xba\xbe"},
    {"vdi", 0x40, 4, "\x7f\x10\xda\xbe"}, {"parallels", 0, 16, "WithoutFreeSpace"},
    {"parallels", 0, 16, "WithouFreSpacExt"},
};

const struct format_driver *probe_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    }
    return NULL;
}

int probe_head(const uint8_t head[PROBE_BYTES], const struct format_driver **driver,
               struct qed_error *error)
{
    for (size_t i = 0; i < sizeof(foreign_formats) / sizeof(foreign_formats[0]); i++) {
        if (memcmp(head + foreign_formats[i].file_off, foreign_formats[i].magic,
                   foreign_formats[i].len) == 0)
            return qed_fail(error, QED_ERR_UNSUPPORTED,
                            "Image is in %s format, which is not supported",
                            foreign_formats[i].format);
    }
    *driver = memcmp(head, "QED", 4) == 0 ? &qed_driver : &raw_driver;
    return QED_OK;
}

int probe_io(struct io *io, const struct format_driver **driver, struct qed_error *error)
{
    uint8_t head[PROBE_BYTES];
    int ret = io_read_padded(io, head, sizeof(head), 0, error);

    return ret < 0 ? ret : probe_head(head, driver, error);
}
