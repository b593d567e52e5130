package password_test

import _ "stavka.local/shared/hangtest" // a test that hangs ends the process
