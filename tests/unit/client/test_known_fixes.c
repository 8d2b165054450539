#include "client/doctor/known_fixes.h"
#include "tests/support/test.h"

static size_t lacking(enum product product, const char *version)
{
	const struct known_fix *fix = NULL;
	size_t n = 0;

	while ((fix = known_fix_next(fix, product, version)))
		n++;
	return n;
}

static void versions_compare_number_by_number(void **state)
{
	(void)state;
	assert_true(version_compare("1.2.3", "1.2.3") == 0);
	assert_true(version_compare("v1.2.3", "1.2.3") == 0);
	assert_true(version_compare("1.2", "1.2.0") == 0);
	assert_true(version_compare("1.10.0", "1.9.9") > 0);
	assert_true(version_compare("20.10.24+dfsg1", "20.10.24") == 0);
	assert_true(version_compare("20.10.9", "20.10.24+dfsg1") < 0);
	assert_true(version_compare("29.7.0~rc", "29.7.0") == 0);
	assert_true(version_compare("4294967296000.1", "4294967295000.2") > 0);
}

static void a_pre_release_comes_before_its_release(void **state)
{
	(void)state;
	assert_true(version_compare("1.3.0-rc.1", "1.3.0") < 0);
	assert_true(version_compare("1.3.0-rc.1", "1.2.9") > 0);
	assert_true(version_compare("1.4.0-rc.2", "1.4.0-rc.10") < 0);
	assert_true(version_compare("1.4.0-rc2", "1.4.0-rc.2") == 0);
	assert_true(version_compare("20.10.0-beta1", "20.10.0") < 0);
	/* What is no pre-release. */
	assert_true(version_compare("18.09.1-ce", "18.9.1") == 0);
	assert_true(version_compare("1.1.12-0ubuntu3", "1.1.12") == 0);
}

static void a_version_lacks_the_fixes_that_came_after_it(void **state)
{
	(void)state;
	assert_int_equal(lacking(PRODUCT_DOCKER, "29.7.0"), 0);
	assert_int_equal(lacking(PRODUCT_DOCKER, "29.6.9"), 1);
	assert_int_equal(lacking(PRODUCT_DOCKER, "25.0.0"), 2);
	assert_int_equal(lacking(PRODUCT_DOCKER, "26.0.2"), 2);
	assert_int_equal(lacking(PRODUCT_DOCKER, "26.1.0"), 1);
	assert_int_equal(lacking(PRODUCT_DOCKER, "24.0.9"), 1);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.1.11"), 2);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.1.12"), 1);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.2.8"), 0);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.3.0"), 1);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.3.2"), 1);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.3.3"), 0);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.4.0-rc.2"), 1);
	assert_int_equal(lacking(PRODUCT_RUNC, "1.4.0"), 0);
}

static void what_is_no_version_lacks_nothing(void **state)
{
	(void)state;
	assert_int_equal(lacking(PRODUCT_DOCKER, ""), 0);
	assert_int_equal(lacking(PRODUCT_DOCKER, "v"), 0);
	assert_int_equal(lacking(PRODUCT_DOCKER, "library-import"), 0);
	assert_int_equal(lacking(PRODUCT_RUNC, "unknown"), 0);
}

RUN_TESTS(TEST(versions_compare_number_by_number), TEST(a_pre_release_comes_before_its_release),
	TEST(a_version_lacks_the_fixes_that_came_after_it), TEST(what_is_no_version_lacks_nothing))
