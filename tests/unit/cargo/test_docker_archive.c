#include "common/cargo/docker_archive.h"
#include "tests/support/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* The name and size that libarchive reads out of a header. */
static void assert_reads_back(const char *name, uint64_t size)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	struct archive *a = archive_read_new();
	struct archive_entry *e;

	docker_archive_header(block, name, size);
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_memory(a, block, sizeof(block)), ARCHIVE_OK);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
	assert_string_equal(archive_entry_pathname(e), name);
	assert_true((uint64_t)archive_entry_size(e) == size);
	assert_int_equal(archive_entry_filetype(e), AE_IFREG);
	archive_read_free(a);
}

static void a_link_leads_from_the_blob_name_to_the_member(void **state)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	struct digest abc = digest_of("abc", 3);
	struct archive *a = archive_read_new();
	struct archive_entry *e;

	(void)state;
	docker_archive_blob_link(block, &abc, "member-3.tar");
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_memory(a, block, sizeof(block)), ARCHIVE_OK);
	assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
	assert_string_equal(archive_entry_pathname(e), "blobs/sha256/" ABC);
	assert_int_equal(archive_entry_filetype(e), AE_IFLNK);
	assert_string_equal(archive_entry_symlink(e), "../../member-3.tar");
	assert_true(archive_entry_size(e) == 0);
	archive_read_free(a);
}

static void headers_read_back_at_every_size(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 511, 512, 513, UINT64_C(077777777777),
		UINT64_C(077777777777) + 1, UINT64_C(1) << 43, (UINT64_C(1) << 62) + 12345 };
	char name[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_reads_back("manifest.json", sizes[i]);
	memset(name, 'n', 99);
	name[99] = '\0';
	assert_reads_back(name, 5);
}

static void padding_fills_the_block(void **state)
{
	(void)state;
	assert_int_equal(docker_archive_padding(0), 0);
	assert_int_equal(docker_archive_padding(1), 511);
	assert_int_equal(docker_archive_padding(511), 1);
	assert_int_equal(docker_archive_padding(512), 0);
	assert_int_equal(docker_archive_padding((UINT64_C(1) << 43) + 1), 511);
}

static void names_hold_only_a_hash_or_a_number(void **state)
{
	struct digest d = digest_of("abc", 3);
	char name[DOCKER_ARCHIVE_NAME_MAX];

	(void)state;
	docker_archive_blob_name(&d, name);
	assert_string_equal(name, "blobs/sha256/" ABC);
	docker_archive_member_name(254, name);
	assert_string_equal(name, "member-254.tar");
}

static void the_manifest_lists_config_and_layers_without_tags(void **state)
{
	static const char *const layers[] = { "a.tar", "b.tar", "a.tar" };
	struct err err = { 0 };
	char *text;

	(void)state;
	assert_ok(docker_archive_manifest("c.json", layers, 3, &text, &err), &err);
	assert_string_equal(text, "[{\"Config\":\"c.json\",\"RepoTags\":null,"
				  "\"Layers\":[\"a.tar\",\"b.tar\",\"a.tar\"]}]");
	free(text);
	assert_ok(docker_archive_manifest("c.json", NULL, 0, &text, &err), &err);
	assert_string_equal(text, "[{\"Config\":\"c.json\",\"RepoTags\":null,\"Layers\":[]}]");
	free(text);
}

static void the_oci_manifest_names_blobs_as_they_are_stored(void **state)
{
	struct digest abc = digest_of("abc", 3);
	struct archive_layer layers[2] = { { abc, UINT64_C(1) << 40, DOCKER_ARCHIVE_RAW_LAYER },
		{ abc, 7, "application/vnd.oci.image.layer.v1.tar+gzip" } };
	struct err err = { 0 };
	char *text;

	(void)state;
	assert_ok(docker_archive_oci_manifest(&abc, 3, layers, 2, &text, &err), &err);
	assert_string_equal(text,
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		"\"digest\":\"sha256:" ABC "\",\"size\":3},\"layers\":["
		"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
		"\"digest\":\"sha256:" ABC "\",\"size\":1099511627776},"
		"{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\","
		"\"digest\":\"sha256:" ABC "\",\"size\":7}]}");
	free(text);
	assert_ok(docker_archive_oci_manifest(&abc, 3, NULL, 0, &text, &err), &err);
	assert_non_null(strstr(text, "\"layers\":[]}"));
	free(text);
}

static void the_index_names_the_manifest_and_no_image(void **state)
{
	struct digest abc = digest_of("abc", 3);
	struct err err = { 0 };
	char *text;

	(void)state;
	assert_ok(docker_archive_index(&abc, 512, &text, &err), &err);
	assert_string_equal(text,
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
		"\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"digest\":\"sha256:" ABC "\",\"size\":512}]}");
	free(text);
}

static void put_member(FILE *f, const char *name, const char *content)
{
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	size_t n = strlen(content);

	docker_archive_header(block, name, n);
	assert_int_equal(fwrite(block, 1, sizeof(block), f), sizeof(block));
	memset(block, 0, sizeof(block));
	assert_int_equal(fwrite(content, 1, n, f), n);
	assert_int_equal(fwrite(block, 1, docker_archive_padding(n), f), docker_archive_padding(n));
}

/* Runs tar on the file; its output goes to `ret`. */
static void run_tar(char *archive, char *ret, size_t size)
{
	extern char **environ;
	char tar[] = "tar", flags[] = "-xOf";
	char *argv[] = { tar, flags, archive, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	assert_int_equal(posix_spawn(&pid, "/usr/bin/tar", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = read(ends[0], ret, size - 1);
	assert_true(n >= 0);
	ret[n] = '\0';
	close(ends[0]);
	assert_int_equal(status, 0);
}

static void tar_reads_a_whole_archive_without_complaint(void **state)
{
	char path[] = "/tmp/dray-archive-XXXXXX", out[100];
	const uint8_t end[DOCKER_ARCHIVE_END] = { 0 };
	uint8_t block[DOCKER_ARCHIVE_BLOCK];
	struct digest abc = digest_of("abc", 3);
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "wb");

	(void)state;
	assert_non_null(f);
	put_member(f, "a.tar", "first");
	put_member(f, "empty.tar", "");
	put_member(f, "member-3.tar", "second");
	docker_archive_blob_link(block, &abc, "member-3.tar");
	assert_int_equal(fwrite(block, 1, sizeof(block), f), sizeof(block));
	assert_int_equal(fwrite(end, 1, sizeof(end), f), sizeof(end));
	assert_int_equal(fclose(f), 0);
	run_tar(path, out, sizeof(out));
	unlink(path);
	assert_string_equal(out, "firstsecond");
}

RUN_TESTS(TEST(headers_read_back_at_every_size), TEST(padding_fills_the_block),
	TEST(names_hold_only_a_hash_or_a_number),
	TEST(a_link_leads_from_the_blob_name_to_the_member),
	TEST(the_manifest_lists_config_and_layers_without_tags),
	TEST(the_oci_manifest_names_blobs_as_they_are_stored),
	TEST(the_index_names_the_manifest_and_no_image),
	TEST(tar_reads_a_whole_archive_without_complaint))
