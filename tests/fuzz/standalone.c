/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a corpus through one fuzz target, with any compiler: every file of the
 * folder named on the command line, and each cut short at a few places. An empty
 * corpus fails.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;

	if (f == NULL || fstat(fileno(f), &st) < 0 || st.st_size > 64 * 1024 * 1024) {
		perror(path);
		if (f != NULL)
			fclose(f);
		return -1;
	}
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size > 0 ? size : 1);
	int r = -1;
	if (data != NULL && fread(data, 1, size, f) == size) {
		const size_t cuts[] = { size, size / 2, size / 3, size > 0 ? size - 1 : 0, 0 };
		for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
			/* an exact copy, so that a read past the end is seen */
			uint8_t *exact = malloc(cuts[i] > 0 ? cuts[i] : 1);
			if (exact == NULL)
				break;
			for (size_t k = 0; k < cuts[i]; k++)
				exact[k] = data[k];
			LLVMFuzzerTestOneInput(exact, cuts[i]);
			free(exact);
		}
		r = 0;
	}
	free(data);
	fclose(f);
	return r;
}

int main(int argc, char **argv)
{
	size_t files = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	DIR *dir = opendir(argv[1]);
	if (dir == NULL) {
		perror(argv[1]);
		return 1;
	}
	for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		int n = snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if (n < 0 || (size_t)n >= sizeof(path) || replay_file(path) < 0) {
			closedir(dir);
			return 1;
		}
		files++;
	}
	closedir(dir);
	printf("%zu files replayed\n", files);
	return files >= 5 ? 0 : 1; /* fewer than five seeds are no corpus */
}
