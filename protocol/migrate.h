/* The words of a migration: what MIGRATE asks for and what MIGRATED answers. README.md section 5.1.
 */
#pragma once

#include "common/base/base.h"

enum migrate_verb {
	MIGRATE_OFFER = 1, /* here is the manifest: may it be, and what stands in the way? */
	MIGRATE_PREPARE,   /* networks and container are made, of `image`; nothing is started */
	MIGRATE_COMMIT,	   /* started, and healthy within `seconds` */
	MIGRATE_STATUS,
	MIGRATE_UNDO, /* stopped for good; what never was live is removed */
	MIGRATE_DROP, /* the image, brought without a name, has served its purpose */
	MIGRATE_DONE, /* of one that is live or undone: nothing more will be asked */
	MIGRATE_VERBS_END
};

enum migrate_flags {
	MIGRATE_OVERWRITE = 1, /* OFFER: volumes that exist and hold something are replaced */
	MIGRATE_NO_START = 2,  /* COMMIT: it is left as it was made */
};

/* Where the receiver is with a migration. In the order in which they are reached. */
enum migrate_stage {
	STAGE_UNKNOWN,	 /* there is none of that id (any more) */
	STAGE_OFFERED,	 /* allowed; volumes may be sent */
	STAGE_PREPARED,	 /* the container is there, and was never started, or is stopped again */
	STAGE_COMMITTED, /* it is being started, or may be live */
	STAGE_LIVE,	 /* it is up, or was left unstarted as asked */
	STAGE_UNDONE,	 /* it is stopped, and no COMMIT starts it any more */
	MIGRATE_STAGES_END
};
