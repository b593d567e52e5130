package e2e

import _ "stavka.local/shared/hangtest" // a test that hangs ends the process
