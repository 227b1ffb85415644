from marl.policies import Policy, Remembers


def test_anything_with_a_name_and_decisions_is_a_policy():
    class Mine:
        name = "mine"
        trainable = False

        def decide(self, views):
            return []

    assert isinstance(Mine(), Policy)
    assert not isinstance(object(), Policy)


def test_what_can_be_told_to_forget_remembers():
    class Mine:
        def release(self, owners):
            return None

    assert isinstance(Mine(), Remembers)
    assert not isinstance(object(), Remembers)
