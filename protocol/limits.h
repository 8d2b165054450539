/* Every size that a peer can choose. protocol/README.md section 9 lists them. */
#pragma once

#include "common/chunk/limits.h"

#define RECORD_PLAIN_MAX 262144u /* bytes of plaintext in a record, type byte not counted */
#define RECORD_TAG_LEN 16u
#define RECORD_REKEY_EVERY 65536u /* records under one key */

#define CONTROL_MESSAGE_MAX (64u << 10)
#define SEGMENT_MESSAGE_MAX (SEGMENT_RECORD_MAX + 16u)

#define OFFER_LAYERS_MAX 127u /* the engines' own limit is 125 */
#define OFFER_TAGS_MAX 64u
#define TAG_LEN_MAX 384u /* registry/path:tag */
#define IMAGE_CONFIG_MAX (1u << 20)
#define MANIFEST_MAX (320u << 10) /* bytes of what is wanted of a container, and of a report */
#define MIGRATE_MESSAGE_MAX (MANIFEST_MAX + 256u)
#define VOLUME_NAME_MAX 255u
#define BACKUP_BLOBS_MAX 1024u /* of a snapshot */
#define BACKUP_TEXT_MAX 1024u  /* kind, name, host, a blob's role */
#define BACKUP_ARTIFACT_MAX (256u << 10)
#define BACKUP_MESSAGE_MAX (512u << 10)
#define FORGET_MAX 1024u /* snapshots named in one FORGET */
#define HEALTH_SECONDS_MAX 3600u
#define FAIL_TEXT_MAX 1000u
#define KEY_NAME_MAX 62u

#define ASK_RECIPES_MAX 512u	      /* names in one ASK_RECIPES */
#define ASK_CHUNKS_MAX RECIPE_OPS_MAX /* names in one ASK_CHUNKS */
#define ASK_CHUNKS_FULL_MAX RECIPE_OPS_MAX
#define ASK_OPEN_MAX 1024u /* questions of one session that are not answered yet */

#define IN_FLIGHT_MAX                                                                              \
	(32u << 20) /* record bytes of a session that are sent and not acknowledged                \
		     */
#define RECIPES_MAX ((size_t)LIST_NAMES_MAX * (BLOB_LISTS_MAX / 2)) /* of one stream of a blob */
#define SESSION_RECIPES_MAX (1u << 20) /* recipe chunks named in the open jobs of a session */
#define JOB_BLOBS_MAX 256u	       /* blobs begun in one job */
#define BLOBS_OPEN_MAX 256u	       /* blobs begun and not done in one session */

#define RATE_MIN 1024u		/* bytes a second, while a message has begun and is not whole */
#define RATE_WINDOW_MS 60000u	/* over which that is measured */
#define OUTPUT_STALL_MS 600000u /* a responder's output that nobody reads for so long ends it */

#define LANES_MAX 16u		 /* connections of a session */
#define SEGMENTS_AHEAD_MAX 4096u /* segments that may be sent beyond the last one acknowledged */
#define SESSIONS_PER_KEY_MAX 4u
