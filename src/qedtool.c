/*
 * The program: picks the command.
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "config.h"
#include "out.h"
#include "report.h"

static const struct {
    const char *name;
    cmd_fn *run;
    const char *summary;
} commands[] = {
    {"bench", cmd_bench, "measure how fast an image is, and what a check of it takes"},
    {"check", cmd_check, "find what is wrong with an image, and repair it"},
    {"convert", cmd_convert, "copy an image into another format"},
    {"create", cmd_create, "make a new image"},
    {"info", cmd_info, "show what an image is"},
    {"map", cmd_map, "show where the guest's bytes are"},
    {"undo", cmd_undo, "put an image back as it was before a repair"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
    printf("Usage: qedtool COMMAND [OPTION...] [OPERAND...]\n"
           "Create, inspect, map, check, repair, convert and measure QED disk images.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\nOptions:\n"
           "  -h, --help     print this help and exit\n"
           "  -V, --version  print the version and exit\n\n"
           "'qedtool COMMAND --help' lists the options of a command; man qedtool tells the rest.\n");
    return CMD_OK;
}

static int print_version(void)
{
    printf("qedtool %s\n", PACKAGE_VERSION);
    return CMD_OK;
}

/*
 * A closed descriptor would be given to the next file that is opened, and what is printed would go
 * into it. What takes its place fails as a closed one does.
 */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            exit(CMD_FAILED);
    }
}

static int run(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;

    if (!word)
        return report_usage("Not enough arguments");
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return print_version();
    if (word[0] == '-')
        return report_usage("unrecognized option '%s'", word);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, word) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return report_usage("Command not found: %s", word);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    return out_finish(run(argc, argv));
}
