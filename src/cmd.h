/*
 * The commands of qedtool.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_CMD_H
#define SRC_CMD_H

/* Exit statuses of all commands but check (enum check_verdict). */
enum cmd_status {
    CMD_OK = 0,
    CMD_FAILED = 1,
};

/*
 * Run a command. argv[0] is the command's own name, as for a main(). Errors have been printed and
 * stdout has been written when it returns the exit status.
 */
typedef int cmd_fn(int argc, char **argv);

cmd_fn cmd_bench, cmd_create, cmd_info, cmd_map, cmd_check, cmd_convert, cmd_undo;

#endif
