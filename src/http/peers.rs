//! How much one peer may have at a time, so that it cannot take the place of all others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The bits of an IPv6 address that name a network; the others a host chooses as it likes.
const NETWORK: u128 = !0 << 64;

/// The peers that are connected, and how often.
#[derive(Debug)]
pub(super) struct Peers {
    most: usize,
    present: Mutex<HashMap<IpAddr, usize>>,
}

impl Peers {
    /// Lets each peer in `most` times at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, present: Mutex::default() })
    }

    /// Lets the peer at `address` in, until what comes back is dropped; `None` where it is here too often already.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<PeerSlot> {
        let peer = peer(address);
        let mut present = self.present.lock();
        let count = present.entry(peer).or_default();
        // An entry without a presence would never go.
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(PeerSlot { peers: Arc::clone(self), peer })
    }
}

/// One of the peer's places; released on drop.
#[derive(Debug)]
pub(super) struct PeerSlot {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Drop for PeerSlot {
    fn drop(&mut self) {
        let mut present = self.peers.present.lock();
        if let Some(count) = present.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.peer);
            }
        }
    }
}

/// The peer behind an address: the address itself, or with IPv6 the network that one host has for itself.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_let_in_so_often_and_again_when_one_has_gone() {
        let peers = Peers::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let (first, second) = (peers.enter(one).unwrap(), peers.enter(one).unwrap());
        assert!(peers.enter(one).is_none());
        assert!(peers.enter(other).is_some());
        drop(first);
        let third = peers.enter(one).unwrap();
        assert!(peers.enter(one).is_none());
        drop((second, third));
        assert!(peers.present.lock().is_empty(), "nothing is kept of those who have gone");
    }

    #[test]
    fn addresses_that_one_host_may_choose_are_one_peer() {
        let is_same = |one: &str, other: &str| peer(one.parse().unwrap()) == peer(other.parse().unwrap());
        assert!(is_same("2001:db8::1", "2001:db8::ffff:2"));
        assert!(!is_same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(is_same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!is_same("192.0.2.1", "192.0.2.2"));
    }
}
