#include "common/cargo/image_config.h"
#include "protocol/limits.h"
#include "server/engine/engine_load_job.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- a member's end --- */

/* The layer that these bytes are, or the number of layers. */
static size_t find_layer(const struct load_job *j, const struct digest *d)
{
	size_t i = 0;

	while (i < j->n && !digest_equal(&j->diff_ids[i], d))
		i++;
	return i;
}

static int mismatch(const struct load_job *j, const struct digest *got, struct err *err)
{
	char text[DIGEST_TEXT_LEN + 1];

	digest_text(got, text);
	if (j->member.index == j->n)
		return err_set(err, ERR_VERIFY, "the image's config arrived as %s", text);
	if (j->member.index == PORT_MEMBER_UNKNOWN)
		return err_set(
			err, ERR_VERIFY, "a layer arrived as %s, which is not in the image", text);
	return err_set(
		err, ERR_VERIFY, "layer %u arrived as %s", (unsigned)j->member.index + 1, text);
}

static int match_config(struct load_job *j, const struct digest *got, struct err *err)
{
	const struct buf *config = &j->config;

	if (!digest_equal(got, &j->job.image))
		return mismatch(j, got, err);
	if (image_config_check(buf_bytes(config), buf_len(config), j->diff_ids, j->n, err) != 0)
		return -1;
	j->have_config = true;
	return 0;
}

/* The same layer may stand at several places of the image: one file serves them all. */
static int match_layer(
	struct load_job *j, const struct digest *got, uint16_t *ret_index, struct err *err)
{
	size_t i = j->member.index, above = 0;

	if (i == PORT_MEMBER_UNKNOWN)
		i = find_layer(j, got);
	if (i >= j->n || !digest_equal(got, &j->diff_ids[i]))
		return mismatch(j, got, err);
	*ret_index = (uint16_t)i;
	for (size_t k = 0; k < j->n; k++) {
		/* One that came twice is a file already. */
		if (j->names[k][0] || !digest_equal(got, &j->diff_ids[k]))
			continue;
		memcpy(j->names[k], j->member.name, sizeof(j->names[k]));
		j->blobs[k].size = j->member.size;
		above = k + 1;
	}
	load_call_holds(j, above, j->member.size);
	return 0;
}

static int end_member(struct load_job *j, struct err *err)
{
	struct digest got = hasher_end(j->hasher);
	struct port_message m = { .type = PORT_MATCHED };
	uint8_t zeros[DOCKER_ARCHIVE_BLOCK] = { 0 };

	m.matched.job = j->job.number;
	m.matched.index = j->member.index;
	m.matched.digest = got;
	if (j->member.index == j->n) {
		if (match_config(j, &got, err) != 0)
			return -1;
	} else {
		if (match_layer(j, &got, &m.matched.index, err) != 0)
			return -1;
		buf_append(load_call_bytes(j), zeros, docker_archive_padding(j->member.size));
	}
	j->member.open = false;
	engine_job_reply(&j->job, &m);
	return 0;
}

/* --- a member's beginning and bytes --- */

static void name_member(struct load_job *j)
{
	struct load_member *member = &j->member;

	if (member->index == PORT_MEMBER_UNKNOWN)
		docker_archive_member_name(j->members, member->name);
	else
		docker_archive_blob_name(&j->diff_ids[member->index], member->name);
}

static int check_member(struct load_job *j, const struct port_member *m, struct err *err)
{
	/* Each layer once under its number and once without one, and the config. */
	if (j->member.open || j->members > 2 * j->n ||
		(m->index != PORT_MEMBER_UNKNOWN && (m->index > j->n || j->announced[m->index])))
		return err_set(err, ERR_PROTOCOL,
			"member %u of an image with %zu layers is out of "
			"order",
			(unsigned)m->index, j->n);
	if (m->size > BLOB_SIZE_MAX)
		return err_set(err, ERR_LIMIT, "a layer is too large");
	if (m->index == j->n && m->size > IMAGE_CONFIG_MAX)
		return err_set(
			err, ERR_LIMIT, "the image's config is over %u bytes", IMAGE_CONFIG_MAX);
	return 0;
}

/* The config is kept for the end of the last archive. */
static int begin_layer(struct load_job *j, struct err *err)
{
	uint8_t header[DOCKER_ARCHIVE_BLOCK];

	if (load_call_for_layer(j, j->member.size, err) != 0)
		return -1;
	name_member(j);
	docker_archive_header(header, j->member.name, j->member.size);
	buf_append(load_call_bytes(j), header, sizeof(header));
	return 0;
}

static int pump(struct load_job *j, struct err *err)
{
	bool ok = buf_ok(load_call_bytes(j)) && buf_ok(&j->config);

	load_job_pump(j);
	return ok ? 0 : err_nomem(err);
}

int load_member_begin(struct load_job *j, const struct port_member *m, struct err *err)
{
	if (check_member(j, m, err) != 0)
		return -1;
	if (m->index != PORT_MEMBER_UNKNOWN)
		j->announced[m->index] = true;
	j->member = (struct load_member){
		.open = true, .index = m->index, .size = m->size, .left = m->size
	};
	if (m->index != j->n && begin_layer(j, err) != 0)
		return -1;
	j->members++;
	if (m->size == 0 && end_member(j, err) != 0)
		return -1;
	return pump(j, err);
}

int load_member_data(struct load_job *j, const struct port_data *m, struct err *err)
{
	struct load_member *member = &j->member;
	uint32_t n = m->bytes.n;

	if (!member->open || n == 0 || n > PORT_DATA_MAX || n > j->credit || n > member->left)
		return err_set(err, ERR_PROTOCOL,
			"%u bytes of an image's data that may not come now", (unsigned)n);
	j->credit -= n;
	member->left -= n;
	hasher_update(j->hasher, m->bytes.p, n);
	buf_append(member->index == j->n ? &j->config : load_call_bytes(j), m->bytes.p, n);
	if (member->left == 0 && end_member(j, err) != 0)
		return -1;
	return pump(j, err);
}
