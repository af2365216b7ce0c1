//! Stories of one node in this process, told by a client on a socket.

mod rig;
