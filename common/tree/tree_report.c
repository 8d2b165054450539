#include "common/tree/tree_report.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

/* By enum tree_note_kind: for one, for several. */
static const char *const sentences[TREE_NOTE_KINDS][2] = {
	[TREE_SOCKET] = { "socket was left out", "sockets were left out" },
	[TREE_OTHER_FS] = { "mount point's contents were left out",
		"mount points' contents were left out" },
	[TREE_LINK_APART] = { "hard link was sent as a file of its own",
		"hard links were sent as files of their own" },
	[TREE_CHANGED] = { "file changed while it was read", "files changed while they were read" },
	[TREE_XATTR_TOO_BIG] = { "file has attributes that no tar can carry",
		"files have attributes that no tar can carry" },
	[TREE_XATTR_REFUSED] = { "attribute was not taken by the file system",
		"attributes were not taken by the file system" },
	[TREE_OWNER_REFUSED] = { "file could not be given its owner",
		"files could not be given their owners" },
	[TREE_MODE_REFUSED] = { "file could not be given its mode",
		"files could not be given their modes" },
	[TREE_DEVICE] = { "device node was not made", "device nodes were not made" },
};

void tree_note(struct tree_report *r, enum tree_note_kind kind, const char *path)
{
	struct tree_note *note = &r->notes[kind];

	if (note->n++ > 0)
		return;
	if (path[0] == '\0')
		path = ".";
	text_escape(note->example, sizeof(note->example), path, strlen(path));
}

char *tree_note_text(
	const struct tree_report *r, enum tree_note_kind kind, char ret[TREE_SENTENCE_MAX])
{
	const struct tree_note *note = &r->notes[kind];

	if (note->n == 1)
		snprintf(ret, TREE_SENTENCE_MAX, "1 %s: %s", sentences[kind][0], note->example);
	else
		snprintf(ret, TREE_SENTENCE_MAX, "%llu %s, the first one %s",
			(unsigned long long)note->n, sentences[kind][1], note->example);
	return ret;
}
