/*
 * Runs a fuzz target without a fuzzer: over the files given, or all files of the directories given.
 * Each is copied into a block of exactly its size, so that a sanitizer sees reads past its end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static size_t runs;

static int fail(const char *path)
{
	perror(path);
	return -1;
}

static int run_file(const char *path, size_t n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes;
	int r = 0;

	if (!f)
		return fail(path);
	bytes = malloc(n ? n : 1);
	if (!bytes || fread(bytes, 1, n, f) != n)
		r = fail(path);
	else
		LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
	fclose(f);
	runs++;
	return r;
}

static int run_path(const char *path);

static int run_directory(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[4096];
	int r = 0;

	if (!d)
		return fail(path);
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		r = run_path(name);
	}
	closedir(d);
	return r;
}

static int run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fail(path);
	if (S_ISDIR(st.st_mode))
		return run_directory(path);
	return run_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (run_path(argv[i]) != 0)
			return 1;
	printf("%zu inputs\n", runs);
	return runs ? 0 : 1;
}
