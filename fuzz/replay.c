// SPDX-License-Identifier: BSD-2-Clause
// Runs one fuzzer over the files and folders named, for compilers without libFuzzer and as a test
// that what was once found stays mended: each finding is kept in fuzz/corpus.
#include "fuzzer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static size_t replayed;

static void fail(const char *path)
{
    perror(path);
    exit(1);
}

// The input lies in memory of exactly its size, so that AddressSanitizer sees a step past its end.
static void replay_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0)
        fail(path);
    size_t length = (size_t)status.st_size;
    uint8_t *bytes = malloc(length > 0 ? length : 1);
    if (bytes == NULL || fread(bytes, 1, length, file) != length)
        fail(path);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
    replayed++;
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

// In the order of their names: what a fuzzer keeps from one input to the next is the same in each
// run.
static void replay_folder(const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_shown, alphasort);
    if (count < 0)
        fail(path);
    for (int i = 0; i < count; i++) {
        char name[4096];
        (void)snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        replay_file(name);
        free(entries[i]);
    }
    free(entries);
}

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++) {
        struct stat status;
        if (stat(paths[i], &status) == 0 && S_ISDIR(status.st_mode))
            replay_folder(paths[i]);
        else
            replay_file(paths[i]);
    }
    (void)printf("%zu inputs replayed\n", replayed);
    return replayed > 0 ? 0 : 1;
}
