/* SPDX-License-Identifier: MIT */
/* A program of somebody else's: what is installed is enough to build and run it. */
#include <cellbench/random.h>
#include <cellbench/task.h>
#include <stdio.h>

int main(void)
{
    cb_random stream = cb_random_stream(1, "noise", 0);
    cb_task *task = NULL;
    cb_err err = {0};
    double u = cb_random_uniform(&stream);
    if (cb_task_open(&task, "no such task", "{}", &err) != CB_EARG || u < 0 || u >= 1)
        return 1;
    return printf("%s: %s\n", cb_status_name(err.code), err.text) < 0;
}
