/*
 * Prints the table of problems: as rows for the man page, or with --ids the ids alone.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <string.h>

#include "format/problem.h"

int main(int argc, char **argv)
{
    int ids_only = argc > 1 && strcmp(argv[1], "--ids") == 0;

    for (int id = 0; id < PROBLEM_COUNT; id++) {
        const struct problem_kind *kind = problem_kind((enum problem_id)id);

        if (ids_only)
            printf("%s\n", kind->name);
        else
            printf("%s\t%s\tT{\n%s\nT}\tT{\n%s\nT}\n", kind->name, problem_severity_name(kind->severity),
                   kind->sentence, kind->action ? kind->action : "none");
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
