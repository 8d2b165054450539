/*
 * Owns the loop, the engine, the images and the targets of a push. Happy path: the engine is asked
 * about every image -> each target is sent them -> all targets are over -> results. Failure modes:
 * an image or a target that fails leaves the others alone; SIGINT and SIGTERM end all that is not
 * done.
 */
#include "client/push/uv_push_run.h"

#include "client/client.h"
#include "client/cmd/exit_code.h"
#include "client/push/uv_target.h"
#include "common/base/log.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>

#define CLOCK_MS 100u

/* Batches go back to the system as soon as they are freed: in a heap they leave holes, a fifth of
 * the peak. */
#define OWN_PAGES_BYTES (256 << 10)

struct run {
	const struct push_run_options *o;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_timer_t clock; /* for progress */
	struct engine_address address;
	struct engine *engine;
	struct readings *readings;
	struct report report;
	struct run_image *images;
	size_t asked; /* images that the engine was asked about, one after another */
	struct uv_target *targets[PUSH_TARGETS_MAX];
	struct run_shared shared;
	size_t over;  /* targets */
	bool started; /* all of the above is there */
	bool interrupted, closing;
	struct err err; /* why it did not start */
};

static uint64_t now(const struct run *r)
{
	return uv_now(&r->loop);
}

/* --- the images --- */

/* A callback's context: the image, and whose it is. */
struct asked {
	struct run *run;
	struct run_image *image;
};

/* One that cannot be had has a line; at whose targets it is missing, the results say. */
static void say_missing(struct run *r, const struct run_image *image)
{
	if (!image->known && !r->interrupted)
		report_error(&r->report, NULL, &image->err);
}

static void ask(void *ctx, struct run_image *image);

static void on_facts(void *ctx, const struct err *err)
{
	struct asked *a = ctx;
	struct run *r = a->run;
	struct run_image *image = a->image;

	free(a);
	image->asking = false;
	if (r->closing)
		return;
	if (err) {
		image->err = *err;
		say_missing(r, image);
	} else {
		image->known = true;
	}
	if (r->asked < r->o->n_images)
		ask(r, &r->images[r->asked++]);
	for (size_t i = 0; i < r->o->n_targets; i++)
		uv_target_poke(r->targets[i]);
}

static void ask(void *ctx, struct run_image *image)
{
	struct run *r = ctx;
	struct asked *a = malloc(sizeof(*a));

	image->err = (struct err){ 0 };
	if (!a) {
		err_nomem(&image->err);
		return;
	}
	*a = (struct asked){ .run = r, .image = image };
	image->asking = true;
	facts_ask(&image->facts, r->engine, image->typed, on_facts, a);
}

/* --- the end --- */

static void close_rest(struct run *r)
{
	if (r->closing)
		return;
	r->closing = true;
	for (size_t i = 0; i < ARRAY_LEN(r->signals); i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	uv_close((uv_handle_t *)&r->clock, NULL);
	for (size_t i = 0; i < r->o->n_targets; i++) {
		if (r->targets[i])
			uv_target_close(r->targets[i]);
	}
	readings_close(r->readings);
	if (r->engine)
		engine_close(r->engine, NULL, NULL);
}

static void on_over(void *ctx)
{
	struct run *r = ctx;

	if (++r->over == r->o->n_targets)
		close_rest(r);
}

static void on_signal(uv_signal_t *signal, int signum)
{
	struct run *r = signal->data;
	struct err err;

	(void)signum;
	if (r->interrupted)
		return;
	r->interrupted = true;
	err_set(&err, ERR_INTERRUPTED, "interrupted; the same command goes on where it was");
	for (size_t i = 0; i < r->o->n_targets && r->started; i++)
		uv_target_stop(r->targets[i], &err);
}

/* The results, in the order of the images and for each in that of the targets. */
static int tell_results(struct run *r)
{
	size_t n = r->o->n_images * r->o->n_targets, at = 0;
	int *codes = calloc(n, sizeof(*codes)), code;
	bool broken_off = false;

	for (size_t i = 0; i < r->o->n_images; i++) {
		for (size_t k = 0; k < r->o->n_targets; k++) {
			struct report_outcome outcome = { .dry_run = r->o->dry_run };

			if (r->started)
				uv_target_outcome(r->targets[k], i, &outcome);
			else
				outcome.err = r->err;
			report_result(&r->report, report_pair(&r->report, i, k), &outcome);
			broken_off = broken_off || outcome.err.code == ERR_INTERRUPTED;
			if (codes)
				codes[at++] = err_exit_code(&outcome.err);
		}
	}
	if (broken_off)
		log_error("interrupted; the same command goes on where it was");
	code = codes ? exit_code_merge(codes, n) : 1;
	free(codes);
	return code;
}

/* --- the start --- */

/* What the targets are told, and the clock of the progress. */
static void on_clock(uv_timer_t *clock)
{
	struct run *r = clock->data;

	if (r->started)
		report_tick(&r->report, now(r));
}

/* Targets that begin together are read for together. */
static bool more_readers(void *ctx, const struct digest *image)
{
	const struct run *r = ctx;

	for (size_t i = 0; i < r->o->n_targets; i++) {
		if (uv_target_will_read(r->targets[i], image))
			return true;
	}
	return false;
}

static void start_handles(struct run *r)
{
	static const int signums[] = { SIGINT, SIGTERM };

	for (size_t i = 0; i < ARRAY_LEN(signums); i++) {
		uv_signal_init(&r->loop, &r->signals[i]);
		r->signals[i].data = r;
		uv_signal_start(&r->signals[i], on_signal, signums[i]);
	}
	uv_timer_init(&r->loop, &r->clock);
	r->clock.data = r;
	uv_timer_start(&r->clock, on_clock, CLOCK_MS, CLOCK_MS);
}

static int start_report(struct run *r, struct err *err)
{
	const char *names[PUSH_TARGETS_MAX];

	for (size_t i = 0; i < r->o->n_targets; i++)
		names[i] = r->o->targets[i]->name;
	return report_start(&r->report, r->o->style, r->o->images, r->o->n_images, names,
		r->o->n_targets, now(r), err);
}

static int make_targets(struct run *r, struct err *err)
{
	r->shared = (struct run_shared){ .loop = &r->loop,
		.engine = r->engine,
		.readings = r->readings,
		.images = r->images,
		.n_images = r->o->n_images,
		.report = &r->report,
		.key = r->o->key,
		.level = r->o->level,
		.read = r->o->read,
		.lanes = &r->o->lanes,
		.dry_run = r->o->dry_run,
		.retry_for_ms = r->o->retry_for_ms,
		.ask = ask,
		.over = on_over,
		.ctx = r };
	for (size_t i = 0; i < r->o->n_targets; i++) {
		r->targets[i] = uv_target_new(&r->shared, r->o->targets[i], i);
		if (!r->targets[i])
			return err_nomem(err);
	}
	return 0;
}

static int start(struct run *r, struct err *err)
{
	r->images = calloc(r->o->n_images, sizeof(*r->images));
	if (!r->images)
		return err_nomem(err);
	if (start_report(r, err) != 0 || client_engine(r->o->engine, &r->address, err) != 0 ||
		engine_open(&r->loop, &r->address, &r->engine, err) != 0 ||
		readings_new(&r->loop, r->engine, more_readers, r, &r->readings, err) != 0 ||
		make_targets(r, err) != 0)
		return -1;
	r->started = true;
	for (size_t i = 0; i < r->o->n_images; i++) {
		r->images[i].typed = r->o->images[i];
		r->images[i].asking = true;
	}
	ask(r, &r->images[r->asked++]);
	for (size_t i = 0; i < r->o->n_targets; i++)
		uv_target_poke(r->targets[i]);
	return 0;
}

static void free_run(struct run *r)
{
	for (size_t i = 0; i < r->o->n_targets; i++)
		uv_target_free(r->targets[i]);
	for (size_t i = 0; r->images && i < r->o->n_images; i++)
		facts_done(&r->images[i].facts);
	report_end(&r->report);
	engine_address_done(&r->address);
	free(r->images);
	free(r);
}

int push_run(const struct push_run_options *options)
{
	struct run *r = calloc(1, sizeof(*r));
	int code, left;

	if (!r) {
		log_error("out of memory");
		return 1;
	}
	mallopt(M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
	r->o = options;
	uv_loop_init(&r->loop);
	start_handles(r);
	if (start(r, &r->err) != 0) {
		log_error("%s", r->err.text);
		close_rest(r);
	}
	uv_run(&r->loop, UV_RUN_DEFAULT);
	code = r->report.pairs ? tell_results(r) : err_exit_code(&r->err);
	left = uv_loop_close(&r->loop);
	assert(left == 0);
	(void)left;
	free_run(r);
	return code;
}
