#include "common/tree/tree_scan.h"

#include "common/tree/tree_scan_impl.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tree/sample_tree.h"
#include "tests/unit/tree/tree_fixture.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void the_same_tree_gives_the_same_bytes(void **state)
{
	struct buf first CLEANUP(buf_done), second CLEANUP(buf_done);
	CLEANUP(cleanup_free) char *root = sample_dir(*state, "tree");
	CLEANUP(cleanup_free) char *copy = sample_dir(*state, "copy");

	sample_tree_make(root);
	tree_to_tar(root, &first);
	/* Other inodes, another order in the directories, other times of access. */
	sample_run((const char *const[]){ "cp", "-aT", "--sparse=always", root, copy, NULL });
	tree_to_tar(copy, &second);
	assert_int_equal(buf_len(&first), buf_len(&second));
	assert_memory_equal(buf_bytes(&first), buf_bytes(&second), buf_len(&first));
}
RUN_TESTS(TEST_WITH(the_same_tree_gives_the_same_bytes, temp_dir_setup, temp_dir_teardown))
