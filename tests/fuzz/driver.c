/* SPDX-License-Identifier: MIT */
/*
 * Replays a corpus without a fuzzer: every file of the folders named on the command line goes
 * through LLVMFuzzerTestOneInput, whole, cut short at up to 64 places, and with single bytes
 * changed (always the same ones). So the parsers meet damaged input in every test run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A target whose inputs take long has fewer. */
#ifndef REPLAY_CUTS
#define REPLAY_CUTS 64
#define REPLAY_CHANGES 128
#endif

enum { CUTS = REPLAY_CUTS, CHANGES = REPLAY_CHANGES, MOST_BYTES = 1 << 20 };

/* The input in a block of exactly its size, so that a sanitizer sees any byte read beyond. */
static void feed(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void replay(uint8_t *data, size_t size) {
    uint32_t random = 1;
    feed(data, size);
    for (size_t i = 0; i < CUTS && i < size; i++)
        feed(data, size * i / CUTS);
    for (size_t i = 0; i < CHANGES && size > 0; i++) {
        random = random * 1664525U + 1013904223U;
        size_t at = (random >> 8) % size;
        uint8_t kept = data[at];
        data[at] = (uint8_t)(kept ^ (1U << (random >> 29)));
        feed(data, size);
        data[at] = kept;
    }
}

static int replay_file(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return 0;
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(MOST_BYTES);
    if (file == NULL || data == NULL) {
        fprintf(stderr, "%s: not readable\n", path);
        exit(1);
    }
    size_t size = fread(data, 1, MOST_BYTES, file);
    fclose(file);
    replay(data, size);
    free(data);
    return 1;
}

static int replay_folder(const char *folder) {
    struct dirent **entries = NULL;
    int found = 0, n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        found += replay_file(path);
        free(entries[i]);
    }
    free(entries);
    return found;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        int found = replay_folder(argv[i]);
        if (found == 0) {
            fprintf(stderr, "%s: no input to replay\n", argv[i]);
            return 1;
        }
        printf("%s: %d files replayed\n", argv[i], found);
    }
    return argc < 2;
}
