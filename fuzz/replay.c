// SPDX-License-Identifier: BSD-2-Clause
// Runs one fuzzer over the files and folders named, for compilers without libFuzzer and as a test
// that what was once found stays mended: each finding is kept in fuzz/corpus.
#include "fuzzer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static size_t replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t bytes[1 << 20];
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(bytes, length);
    replayed++;
}

static void replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        exit(1);
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        replay_file(name);
    }
    (void)closedir(folder);
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
