package argon2id

import _ "stavka.local/shared/hangtest" // a test that hangs ends the process
